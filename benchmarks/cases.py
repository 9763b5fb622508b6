"""What is measured: the cases of a measure, each a configuration and a size."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.configurations import CONFIGURATIONS, Configuration
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


class Case(NamedTuple):
    """A row of the table."""

    configuration: Configuration
    size: int | None = None  #: the size that varies
    size_kind: str = ""  #: what the size is
    variant: str = ""  #: what is measured beside another, in the same configuration

    @property
    def label(self) -> str:
        """Name it in the tables."""
        size = f"{self.size:,} {self.size_kind}" if self.size_kind else ""
        return ", ".join(filter(None, (self.configuration.name, size, self.variant)))


@dataclass(frozen=True)
class Measure:
    """A measure: its cases, and how one sample of a case is taken."""

    name: str
    title: str
    #: Takes a sample: {"tasks/s": 1000.0}.
    sample: Callable[[BenchmarkContext, Side, Case], dict[str, float]]
    #: The configurations that are measured where none is asked for.
    default: tuple[str, ...]
    #: (kind, which option of the command line holds the sizes), where one varies.
    size_kinds: tuple[tuple[str, str], ...] = ()
    #: What is measured side by side in each configuration; all is compared with the first.
    variants: tuple[str, ...] = ()
    #: What the chart shows.
    charted_column: str | None = None
    #: Whether a case can be: there are no saved rows where nothing is saved.
    is_possible: Callable[[Case], bool] = lambda case: True

    def cases(self, options: argparse.Namespace) -> list[Case]:
        """List the cases, those of a configuration and kind together."""
        chosen = [CONFIGURATIONS[name] for name in options.only or self.default]
        return list(filter(self.is_possible, self.combinations(chosen, options)))

    def combinations(self, chosen: list[Configuration], options: Any) -> Iterable[Case]:
        """Combine configurations with the variants, or with the sizes."""
        if self.variants:
            return [
                Case(configuration, variant=variant)
                for configuration in chosen
                for variant in self.variants
            ]
        if not self.size_kinds:
            return [Case(configuration) for configuration in chosen]
        return [
            Case(configuration, size, kind)
            for kind, option in self.size_kinds
            for configuration in chosen
            for size in getattr(options, option)
        ]

    def baseline(self, case: Case, cases: list[Case]) -> Case:
        """Choose what a case is compared with: the first of the table, its sizes or variants."""
        alike = [
            c
            for c in cases
            if not (self.size_kinds or self.variants)
            or (c.configuration, c.size_kind) == (case.configuration, case.size_kind)
        ]
        return alike[0]
