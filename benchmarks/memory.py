"""Add up the memory of an idle cluster's processes, after a few tasks.

PSS counts a page that processes share once, USS not at all, and RSS once for each of them.
"""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.processes import memory, tree
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    with context.session(side, case.configuration) as session:
        pid = session.warm_cluster()
        return {**memory(pid), "processes": len(tree(pid))}


MEASURE = Measure(
    "memory",
    "Memory, idle cluster",
    sample,
    ("redis-sqlite", "sqlite-sqlite", "postgres-postgres"),
    charted_column="PSS MiB",
)

if __name__ == "__main__":
    main(MEASURE)
