"""Tables of medians, as plain text and for the documentation."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from benchmarks.cases import Case, Measure

LEGEND = (
    "Medians, with half the range in per cent; in brackets the ratio to the first case, or to the "
    "smallest size."
)
RATIO_LEGEND = (
    "Ratios are project / other side, by pairs of samples taken one after the other: the median, "
    "with half the range."
)

Samples = list[dict[str, Any]]


@dataclass
class Outcome:
    """All samples of a run."""

    measures: tuple[Measure, ...]
    options: argparse.Namespace
    facts: dict[str, Any]
    samples: dict[str, dict[str, dict[str, Samples]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, measure: Measure, case: Case, side: str, sample: dict[str, Any]) -> None:
        """Keep a sample."""
        sides = self.samples.setdefault(measure.name, {}).setdefault(case.label, {})
        sides.setdefault(side, []).append(sample)
        if "error" in sample:
            self.errors.append(f"{measure.name} {case.label} {side} failed:\n{sample['error']}")

    def of(self, measure: Measure, case: Case, side: str) -> Samples:
        """Give the samples of a case and side."""
        return self.samples.get(measure.name, {}).get(case.label, {}).get(side, [])

    @property
    def sides(self) -> list[str]:
        """Name the sides, the project first."""
        return list(self.facts["sides"])

    def as_dict(self) -> dict[str, Any]:
        """Make what is written as JSON."""
        rows = {measure.name: list(rows_of(self, measure)) for measure in self.measures}
        return {
            **self.facts,
            "options": {key: str(value) for key, value in vars(self.options).items()},
            "medians": {name: [row._asdict() for row in found] for name, found in rows.items()},
            "samples": self.samples,
            "errors": self.errors,
        }


class Row(NamedTuple):
    """A row of a table: what was measured in a case."""

    case: str
    side: str
    is_ratio: bool
    medians: dict[str, float]
    spreads: dict[str, float]  #: half the range, as a share of the median
    baseline_ratios: dict[str, float]  #: ratio to the case it is compared with


def rows_of(outcome: Outcome, measure: Measure) -> Iterator[Row]:
    """Make the rows of a measure: of each case the sides, then the ratios."""
    cases = measure.cases(outcome.options)
    first, *others = outcome.sides
    for case in cases:
        base = measure.baseline(case, cases)
        for side in outcome.sides:
            samples, bases = outcome.of(measure, case, side), outcome.of(measure, base, side)
            yield make_row(case.label, side, samples, [] if base == case else bases)
        for side in others:
            pairs = (outcome.of(measure, case, name) for name in (first, side))
            ratios = [side_ratios(ours, theirs) for ours, theirs in zip(*pairs, strict=True)]
            yield make_row(case.label, f"{first} / {side}", ratios, None)


def side_ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Divide the numbers that both have."""
    return {
        column: ours[column] / theirs[column]
        for column in ours
        if column != "error" and theirs.get(column)
    }


def make_row(case: str, side: str, samples: Samples, bases: Samples | None) -> Row:
    """Summarise samples; ``bases`` are those they are compared with, None for ratios."""
    columns = dict.fromkeys(c for sample in samples for c in sample if c != "error")
    found = {column: values(samples, column) for column in columns}
    medians = {column: median(numbers) for column, numbers in found.items()}
    ratios = {
        column: middle / median(values(bases, column))
        for column, middle in medians.items()
        if bases and any(values(bases, column))
    }
    spreads = {column: spread(numbers) for column, numbers in found.items()}
    return Row(case, side, bases is None, medians, spreads, ratios)


def values(samples: Samples, column: str) -> list[float]:
    """Pick a column."""
    return [sample[column] for sample in samples if column in sample]


def spread(numbers: list[float]) -> float:
    """Give half the range, as a share of the median."""
    middle = median(numbers)
    return (max(numbers) - min(numbers)) / 2 / middle if middle else 0


def number(value: float) -> str:
    """Write a number with the digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def cell(row: Row, column: str, repetitions: int) -> str:
    """Write a number with its spread, and its ratio to what it is compared with."""
    if column not in row.medians:
        return ""
    text = number(row.medians[column])
    if repetitions > 1:
        text += f" ±{row.spreads[column]:.0%}"
    return text + (f" ({row.baseline_ratios[column]:.2f})" if column in row.baseline_ratios else "")


def table(outcome: Outcome, measure: Measure) -> list[list[str]]:
    """Make a table, its heading first."""
    rows = list(rows_of(outcome, measure))
    columns = list(dict.fromkeys(column for row in rows for column in row.medians))
    sides = len(outcome.sides) > 1
    lines = [["", *([""] if sides else []), *columns]]
    previous = None
    for row in rows:
        name = "" if row.case == previous else row.case
        cells = [cell(row, column, outcome.options.repetitions) for column in columns]
        lines.append([name, *([row.side] if sides else []), *cells])
        previous = row.case
    return lines


def sample_text(sample: dict[str, Any]) -> str:
    """Write a sample on one line."""
    return ", ".join(
        f"{column}: {value if isinstance(value, str) else number(value)}"
        for column, value in sample.items()
    )
