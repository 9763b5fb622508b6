"""Rows of the charts, as the monitor of a cluster leaves them that has been at work for weeks."""

from __future__ import annotations

import random
import time
from typing import Any

from django_q.rollups.row_format import to_text
from django_q.rollups.run_counts import RunCounts
from django_q.rollups.spans import SPANS

#: Runs of a function in a row that are drawn one by one at most: more fill no other buckets.
MAX_DRAWN_RUNS = 300
#: Of the logarithm of times.
SPREAD = 1.0
FAILED_SHARE = 0.1


def insert_counts(model: Any, runs: int, functions: int = 4, now: float | None = None) -> None:
    """Insert rows that count ``runs`` runs, evenly over the time that rows are kept."""
    chance, now = random.Random(35), now or time.time()
    rows, end = [], now
    for span in SPANS:
        begin = now - span.kept
        last = int(end) // span.seconds * span.seconds
        for at in range(last, int(begin), -span.seconds):
            share = runs * span.seconds / SPANS[-1].kept / functions
            counts = {
                ("shop", f"shop.tasks.number_{number}"): drawn(chance, share)
                for number in range(functions)
            }
            rows.append(model(at=at, span=span.seconds, counts=to_text(counts)))
        end = begin
    model.objects.bulk_create(rows)


def drawn(chance: random.Random, mean: float) -> RunCounts:
    """Draw the runs of a function in a row, of which there are ``mean`` in the mean."""
    runs = int(mean) + (chance.random() < mean % 1)
    single = min(runs, MAX_DRAWN_RUNS)
    failed = sum(chance.random() < FAILED_SHARE for _ in range(single))
    counts = RunCounts(runs, failed * runs // max(single, 1))
    for number in range(single):
        weight = runs // single + (number < runs % single)
        counts.add_times(
            chance.lognormvariate(-1, SPREAD), chance.lognormvariate(-3, SPREAD), weight
        )
    return counts
