"""Enqueue from one thread: with ``async_task``, and 500 at a time with ``async_batch``."""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    rates = {}
    for column, batch in (("async_task/s", False), ("async_batch/s", True)):
        with context.session(side, case.configuration) as session:
            done = session.call("enqueue", number=context.options.tasks, batch=batch)
        if done:
            rates[column] = done["rate"]
    return rates


MEASURE = Measure(
    "enqueue",
    "Enqueue",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    charted_column="async_task/s",
)

if __name__ == "__main__":
    main(MEASURE)
