"""Read the rows of a period: the same cost whether a thousand tasks were counted or a million."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from django_q.models import DeployMark, Rollup
from django_q.rollups.row_format import from_text, merge_row
from django_q.rollups.run_counts import CountsByFunction, RunCounts
from django_q.rollups.spans import DAY, HOUR, MINUTE


class Period(NamedTuple):
    """How far a chart looks back, and in which steps. Both are seconds."""

    seconds: int
    step: int


#: By name. The steps are as long as the rows that are that old, or longer.
PERIODS = {
    "hour": Period(HOUR, MINUTE),
    "day": Period(DAY, 15 * MINUTE),
    "week": Period(7 * DAY, HOUR),
    "month": Period(30 * DAY, 6 * HOUR),
}


@dataclass
class Figures:
    """What ended within a period."""

    #: Seconds since the epoch: when the first step began. How long a step is.
    start: int
    step: int
    #: By step, of the chosen queue and function.
    steps: list[RunCounts]
    #: Of the whole period, of all queues and functions.
    by_function: CountsByFunction = field(default_factory=dict)

    @property
    def seconds(self) -> int:
        """How long the period is."""
        return self.step * len(self.steps)

    def time_of(self, index: int) -> int:
        """Return when a step began, in seconds since the epoch."""
        return self.start + index * self.step


def read_figures(period: Period, now: float, queue: str = "", func: str = "") -> Figures:
    """Read what ended within a period that ends with the step of ``now``.

    With a queue or a function, the steps have its runs alone.
    """
    number = period.seconds // period.step
    start = (int(now) // period.step - number + 1) * period.step
    #: The rows of a step are merged first: there are many more of them than of steps.
    cells: list[CountsByFunction] = [{} for _ in range(number)]
    rows = Rollup.objects.filter(at__gte=start).values_list("at", "counts")
    for at, text in rows.iterator():
        index = min((at - start) // period.step, number - 1)  # a host's clock may be fast
        merge_row(cells[index], text)
    found = Figures(start, period.step, [RunCounts() for _ in range(number)])
    for step, cell in zip(found.steps, cells, strict=True):
        for key, counts in cell.items():
            found.by_function.setdefault(key, RunCounts()).merge(counts)
            if (not queue or queue == key[0]) and (not func or func == key[1]):
                step.merge(counts)
    return found


def summed(counts: Iterable[RunCounts]) -> RunCounts:
    """Add up counts."""
    total = RunCounts()
    for each in counts:
        total.merge(each)
    return total


def count_runs(start: float) -> tuple[int, int]:
    """Count the runs, and those that failed, since a time, in seconds since the epoch."""
    rows = Rollup.objects.filter(at__gte=start).values_list("counts", flat=True)
    counts = [values[:2] for text in rows.iterator() for _key, values in from_text(text)]
    return sum(runs for runs, _failed in counts), sum(failed for _runs, failed in counts)


def read_marks(start: float) -> list[tuple[int, str]]:
    """List the marks since a time, in seconds since the epoch: when and what."""
    rows = DeployMark.objects.filter(at__gte=start).order_by("at", "id")
    return list(rows.values_list("at", "text"))
