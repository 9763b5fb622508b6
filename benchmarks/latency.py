"""Send a task to an idle cluster every 20 ms, and time it until its first line runs."""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import WARMUP_TASKS, BenchmarkContext
from benchmarks.sides import Side

#: Seconds between two tasks.
SEND_INTERVAL = 0.02

#: Shares of the tasks that were faster.
PERCENTILES = {"p50 ms": 0.50, "p95 ms": 0.95, "p99 ms": 0.99, "slowest ms": 1}


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample; the first tasks don't count."""
    number = context.options.latency_tasks + WARMUP_TASKS
    with context.session(side, case.configuration) as session:
        session.warm_cluster()
        session.call("trickle", number=number, interval=SEND_INTERVAL)
        session.wait_for_records(WARMUP_TASKS + number, 30)
        delays = sorted(value * 1000 for _, value in session.records()[2 * WARMUP_TASKS :])
    return {
        column: delays[min(len(delays) - 1, int(len(delays) * share))]
        for column, share in PERCENTILES.items()
    }


MEASURE = Measure(
    "latency",
    "Latency, idle cluster",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    charted_column="p50 ms",
)

if __name__ == "__main__":
    main(MEASURE)
