"""Send a task to an idle cluster every 20 ms, and time it until its first line runs."""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import WARM, Bench
from benchmarks.sides import Side

#: Seconds between two tasks.
INTERVAL = 0.02

#: Shares of the tasks that were faster.
SHARES = {"p50 ms": 0.50, "p95 ms": 0.95, "p99 ms": 0.99, "slowest ms": 1}


def sample(bench: Bench, side: Side, case: Case) -> dict[str, float]:
    """Take a sample; the first tasks don't count."""
    number = bench.options.latency_tasks + WARM
    with bench.session(side, case.configuration) as session:
        session.warm_cluster()
        session.call("trickle", number=number, interval=INTERVAL)
        session.wait_for_records(WARM + number, 30)
        delays = sorted(value * 1000 for _, value in session.records()[2 * WARM :])
    return {
        column: delays[min(len(delays) - 1, int(len(delays) * share))]
        for column, share in SHARES.items()
    }


MEASURE = Measure(
    "latency",
    "Latency, idle cluster",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    charted="p50 ms",
)

if __name__ == "__main__":
    main(MEASURE)
