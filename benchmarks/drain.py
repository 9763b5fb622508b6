"""Drain a queue that was full before the cluster started.

The rate is from the first task's end to the last; with results stored, to the moment at which the
last of them can be read. "run/s" is the rate of the calls alone: where it is higher, results were
piling up meanwhile. "CPU us/task" is the processor time of all processes of the cluster.
"""

from __future__ import annotations

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.configurations import CONFIGURATIONS
from benchmarks.draining import drain
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    number = context.options.tasks
    with context.session(side, case.configuration) as session:
        session.call("enqueue", number=number, batch=None)
        stored = None
        if case.configuration.is_stored:
            stored = session.begin("wait_for_number", number=number)
        return drain(session, number, stored)


MEASURE = Measure("drain", "Drain", sample, tuple(CONFIGURATIONS), charted_column="tasks/s")

if __name__ == "__main__":
    main(MEASURE)
