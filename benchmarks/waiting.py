"""Wait for tasks that end one after the other, and time each end until its caller has the result.

The cluster is idle otherwise. The first task ends when its caller has long subscribed.
"""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side

#: Seconds until the first task ends, and between two of them.
FIRST_END, END_INTERVAL = 5.0, 0.1


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    number = context.options.latency_tasks
    with context.session(side, case.configuration) as session:
        session.warm_cluster()
        arguments = {"number": number, "first": FIRST_END, "interval": END_INTERVAL}
        delays = session.call("await_results", **arguments)
    figures = {}
    for kind, seconds in delays.items():
        ordered = sorted(second * 1000 for second in seconds)
        figures[f"{kind} p50 ms"] = ordered[number // 2]
        figures[f"{kind} p95 ms"] = ordered[int(number * 0.95)]
    return figures


MEASURE = Measure(
    "waiting",
    "Waiting for results, idle cluster",
    sample,
    ("redis-sqlite", "redis-postgres", "sqlite-sqlite", "postgres-postgres"),
    charted_column="result p50 ms",
)

if __name__ == "__main__":
    main(MEASURE)
