"""Rows of the charts."""

from __future__ import annotations

from django_q.models import Rollup
from django_q.rollups.row_format import merge_row, to_text
from django_q.rollups.run_counts import CountsByFunction, RunCounts


def add_row(
    at: int, runs: int = 1, span: int = 60, key: tuple[str, str] = ("mail", "shop.pack")
) -> Rollup:
    """Add a row of runs of a function that took a second each."""
    counts = RunCounts(runs)
    for _ in range(runs):
        counts.run.add(1.0)
        counts.wait.add(0.1)
    return Rollup.objects.create(at=at, span=span, counts=to_text({key: counts}))


def counted() -> CountsByFunction:
    """Add up all rows."""
    counts: CountsByFunction = {}
    for row in Rollup.objects.all():
        merge_row(counts, row.counts)
    return counts


def runs_of(func: str) -> tuple[int, int]:
    """Tell how many runs of a function were counted, and how many of them have failed."""
    found = [each for (_queue, name), each in counted().items() if name == func]
    return sum(each.runs for each in found), sum(each.failed for each in found)
