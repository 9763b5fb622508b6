"""Enqueue and drain tasks with options that their broker has to know, beside plain ones.

Each task has the one option. Those with ``run_after`` are due when the cluster starts. "enqueue/s"
and "batch/s" are one by one and 500 at a time; the queue that is drained was filled one by one.
The columns in "us" are processor time a task: of who enqueues one by one, of the cluster that
drains, and of the server of the queue for both. On a machine that has else to do they say more than
the rates. What stands in brackets in the table is the ratio to plain tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.draining import drain
from benchmarks.session import BenchmarkContext, Session
from benchmarks.sides import Side

#: What each task has in ``q_options``; no call is like another, so none is refused as not unique.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "priority": {"priority": 5},
    "run_after": {"run_after": 0.001},
    "unique": {"unique": True},
    "track": {"track": True},
}


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    number, options = context.options.tasks, OPTIONS[case.variant]
    with context.session(side, case.configuration) as session:
        batch = session.call("enqueue", number=number, batch=True, options=options)
    with context.session(side, case.configuration) as session, server_cpu(session) as server:
        single = session.call("enqueue", number=number, options=options)
        rates = drain(session, number, None)
    return {
        "enqueue/s": single["rate"],
        **({"batch/s": batch["rate"]} if batch else {}),
        "enqueue us": single["cpu"] * 1e6,
        **rates,
        **{column: seconds / number * 1e6 for column, seconds in server.items()},
    }


@contextmanager
def server_cpu(session: Session) -> Iterator[dict[str, float]]:
    """Measure the processor time of the queue's server in seconds, where it can be known."""
    found: dict[str, float] = {}
    broker = session.configuration.broker
    before = session.services.server_cpu(broker)
    yield found
    if before is not None:
        found["server us"] = session.services.server_cpu(broker) - before


MEASURE = Measure(
    "options",
    "Tasks with options",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    variants=tuple(OPTIONS),
    charted_column="tasks/s",
)

if __name__ == "__main__":
    main(MEASURE)
