"""Metric families: what is measured, and its values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

#: The kinds of families: what only grows, what goes up and down, and labels without a value.
COUNTER, MEASURE, INFO = "counter", "gauge", "info"
#: The last part of the names of the samples of a family, by its kind.
SAMPLE_SUFFIXES = {COUNTER: "_total", MEASURE: "", INFO: "_info"}


class Sample(NamedTuple):
    """A value, and what it is the value of."""

    labels: dict[str, str]
    value: float


@dataclass
class Family:
    """All values of one name."""

    #: Without the suffix of its kind.
    name: str
    kind: str
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """Add a value; None is one that nobody knows, and is left out."""
        if value is not None:
            self.samples.append(Sample(labels, value))

    @property
    def sample_name(self) -> str:
        """The name of its samples."""
        return self.name + SAMPLE_SUFFIXES[self.kind]

    @property
    def unit(self) -> str:
        """Its unit, with which the name ends; empty without one."""
        return "seconds" if self.name.endswith("_seconds") else ""


class Families:
    """The families of one subject, by their names, in the order in which they were declared."""

    def __init__(self, *declared: tuple[str, str, str]) -> None:
        self.by_name = {name: Family(f"django_q_{name}", *rest) for name, *rest in declared}

    def __getitem__(self, name: str) -> Family:
        return self.by_name[name]

    def add(self, labels: dict[str, str], values: Iterable[tuple[str, float | None]]) -> None:
        """Add a value to each of several families, all with the same labels."""
        for name, value in values:
            self.by_name[name].add(value, **labels)

    def as_list(self) -> list[Family]:
        """List the families, those without samples as well."""
        return list(self.by_name.values())
