"""Leave a cluster without work: processor time, Redis commands, transactions on PostgreSQL."""

from __future__ import annotations

import time

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.processes import cpu_seconds
from benchmarks.services import Services
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    with context.session(side, case.configuration) as session:
        pid = session.warm_cluster()
        before = counts(context.services, case, pid)
        time.sleep(context.options.idle_seconds)
        after = counts(context.services, case, pid)
    # The question itself is a command.
    return {
        column: after[column] - before[column] - (column == "Redis commands") for column in before
    }


def counts(services: Services, case: Case, pid: int) -> dict[str, float]:
    """Count what there was up to now."""
    found = {"CPU s": cpu_seconds(pid)}
    if case.configuration.broker == "redis":
        found["Redis commands"] = services.redis_commands()
    if case.configuration.database == "postgres":
        found["transactions"] = services.transactions()
    return found


MEASURE = Measure(
    "idle",
    "Idle cluster",
    sample,
    ("redis-sqlite", "redis-postgres", "sqlite-sqlite", "postgres-postgres"),
)

if __name__ == "__main__":
    main(MEASURE)
