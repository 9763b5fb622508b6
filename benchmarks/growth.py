"""Drain ``--window`` tasks off a queue of 1,000 to 1,000,000, and with 0 to 1,000,000 saved rows.

The rows are there before, and save_limit is 250. A rate that is flat stays as it is, whatever the
size; what stands in brackets in the table is its ratio to the smallest size.
"""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.draining import drain
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side

QUEUED, SAVED = "queued", "rows"


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    return (queued if case.size_kind == QUEUED else saved)(context, side, case)


def queued(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Time the first tasks of a long queue."""
    with context.session(side, case.configuration) as session:
        done = session.call("enqueue", number=case.size, batch=None)
        rates = drain(session, min(context.options.window, case.size), None)
    return {"enqueue/s": done["rate"], **rates}


def saved(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Time tasks whose results go to a table with many."""
    number = context.options.window
    with context.session(side, case.configuration, save_limit=250) as session:
        session.call("fill", rows=case.size)
        last = session.call("enqueue", number=number, batch=None)["last"]
        return drain(session, number, session.begin("wait_for_task", task_id=last))


MEASURE = Measure(
    "growth",
    "Growth",
    sample,
    ("redis-none", "sqlite-none", "postgres-none", "redis-sqlite", "redis-postgres"),
    size_kinds=((QUEUED, "queued"), (SAVED, "saved")),
    charted_column="tasks/s",
    # One configuration a broker has long queues; those that store have many rows.
    is_possible=lambda case: case.configuration.is_stored is (case.size_kind == SAVED),
)

if __name__ == "__main__":
    main(MEASURE)
