"""The text of a row: the counts of all functions within a time, in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django_q.rollups.run_counts import MAX_COUNTED_NAME, CountsByFunction, RunCounts

#: Functions of one row at most, those with the most runs. The others are counted together.
MAX_COUNTED_FUNCTIONS = 50
#: The name of the function under which those are.
OTHER_FUNCTIONS = "*"


def to_text(counts: CountsByFunction) -> str:
    """Write counts: a list of queue, function, runs, failures, and the buckets of both sketches.

    Buckets are a flat list, ``[bucket, count, bucket, count, ...]``.
    """
    return json.dumps(
        [
            [
                *(queue, func, each.runs, each.failed),
                flat(each.wait.buckets),
                flat(each.run.buckets),
            ]
            for (queue, func), each in bounded(counts).items()
        ],
        separators=(",", ":"),
    )


def flat(buckets: dict[int, int]) -> list[int]:
    """List buckets and their counts in turn."""
    return list(chain.from_iterable(buckets.items()))


def bounded(counts: CountsByFunction) -> CountsByFunction:
    """Count the functions with the fewest runs together, by queue, beyond the bound of a row."""
    ranked = sorted(counts, key=lambda key: -counts[key].runs)
    found: CountsByFunction = {}
    for number, (queue, func) in enumerate(ranked):
        name = func[:MAX_COUNTED_NAME] if number < MAX_COUNTED_FUNCTIONS else OTHER_FUNCTIONS
        key = (printed(queue[:MAX_COUNTED_NAME]), printed(name))
        found.setdefault(key, RunCounts()).merge(counts[queue, func])
    return found


def printed(name: str) -> str:
    """Make a name one that each database can hold."""
    return name.replace("\x00", "?").encode(errors="replace").decode()


def from_text(text: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Read a row: yield queue and function, and runs, failures, and the buckets of sketches."""
    for queue, func, *values in json.loads(text):
        yield (queue, func), values


def merge_row(counts: CountsByFunction, text: str) -> None:
    """Add the counts of a row."""
    for key, values in from_text(text):
        merge_values(counts.setdefault(key, RunCounts()), values)


def merge_values(counts: RunCounts, values: Any) -> None:
    """Add what a row has of a function."""
    runs, failed, wait, run = values
    counts.runs += runs
    counts.failed += failed
    counts.wait.merge(zip(wait[::2], wait[1::2], strict=True))
    counts.run.merge(zip(run[::2], run[1::2], strict=True))
