"""What is measured: configurations, and cases of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from benchmarks.session import BenchmarkContext
    from benchmarks.sides import Side


class Configuration(NamedTuple):
    """Where tasks wait and where results are stored."""

    broker: str  #: redis, sqlite, postgres
    results: str  #: none, sqlite, postgres

    @property
    def name(self) -> str:
        """Name it as the command line does."""
        return f"{self.broker}-{self.results}"

    @property
    def database(self) -> str:
        """Say which database Django has."""
        return next((kind for kind in self if kind in ("sqlite", "postgres")), "sqlite")

    @property
    def is_stored(self) -> bool:
        """Say whether results are stored."""
        return self.results != "none"


CONFIGURATIONS = {
    configuration.name: configuration
    for configuration in (
        Configuration("redis", "none"),
        Configuration("redis", "sqlite"),
        Configuration("redis", "postgres"),
        Configuration("sqlite", "none"),
        Configuration("sqlite", "sqlite"),
        Configuration("postgres", "none"),
        Configuration("postgres", "postgres"),
    )
}


class Case(NamedTuple):
    """A row of the table."""

    configuration: Configuration
    size: int | None = None  #: the size that varies
    size_kind: str = ""  #: what the size is

    @property
    def label(self) -> str:
        """Name it in the tables."""
        point = f", {self.size:,} {self.size_kind}" if self.size_kind else ""
        return self.configuration.name + point


@dataclass(frozen=True)
class Measure:
    """A measure: its cases, and how one sample of a case is taken."""

    name: str
    title: str
    #: Takes a sample: {"tasks/s": 1000.0}.
    sample: Callable[[BenchmarkContext, Side, Case], dict[str, float]]
    #: The configurations that are measured where none is asked for.
    default: tuple[str, ...]
    #: (kind, which option of the command line holds the points), where a size varies.
    size_kinds: tuple[tuple[str, str], ...] = ()
    #: What the chart shows.
    charted_column: str | None = None
    #: Whether a case can be: there are no saved rows where nothing is saved.
    is_possible: Callable[[Case], bool] = lambda case: True

    def cases(self, options: argparse.Namespace) -> list[Case]:
        """List the cases, those of a configuration and kind together."""
        chosen = [CONFIGURATIONS[name] for name in options.only or self.default]
        return list(filter(self.is_possible, self.combinations(chosen, options)))

    def combinations(self, chosen: list[Configuration], options: Any) -> Iterable[Case]:
        """Combine configurations with the points."""
        if not self.size_kinds:
            return [Case(configuration) for configuration in chosen]
        return [
            Case(configuration, point, kind)
            for kind, option in self.size_kinds
            for configuration in chosen
            for point in getattr(options, option)
        ]

    def baseline(self, case: Case, cases: list[Case]) -> Case:
        """Choose the case that a case is set beside: the first of the table, or of its points."""
        alike = [
            c
            for c in cases
            if not self.size_kinds or (c[0], c.size_kind) == (case[0], case.size_kind)
        ]
        return alike[0]
