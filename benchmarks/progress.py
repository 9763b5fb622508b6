"""Run a task of about a second that tells its progress 10,000 times, and the same that does not.

The pairs follow each other in one worker. Both are times of its processor.
"""

from __future__ import annotations

from statistics import median

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import WARMUP_TASKS, BenchmarkContext
from benchmarks.sides import Side

#: Calls of ``progress`` in a task.
CALLS = 10_000


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    pairs = context.options.pairs
    with context.session(side, case.configuration, workers=1) as session:
        session.warm_cluster()
        session.call("work", pairs=pairs, rounds=CALLS)
        session.wait_for_records(WARMUP_TASKS + 2 * pairs, context.options.limit)
        seconds = [value for _, value in session.records()[-2 * pairs :]]
    silent, told = seconds[::2], seconds[1::2]
    added = [there - without for there, without in zip(told, silent, strict=True)]
    return {
        "task, seconds": median(silent),
        "added by progress, %": 100 * median(added) / median(silent),
        "us a call": median(added) / CALLS * 1e6,
    }


MEASURE = Measure("progress", "Progress told by a task", sample, ("redis-none",))

if __name__ == "__main__":
    main(MEASURE)
