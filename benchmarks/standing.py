"""Drain plain tasks off an empty queue, and off one in which others stand.

Those that stand are ``--delayed`` tasks that are due in a week, and ``--tracked`` ones that can be
found by their ids as well. The same queue is filled and drained ``--rounds`` times, and the median
of them counts. The columns in "us" are processor time a task, as in ``benchmarks.options``. What
stands in brackets in the table is the ratio to the empty queue.
"""

from __future__ import annotations

from statistics import median

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.draining import drain
from benchmarks.options import server_cpu
from benchmarks.session import BenchmarkContext, Session
from benchmarks.sides import Side

WEEK = 7 * 86400
EMPTY, STANDING = "empty", "others standing"


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    with context.session(side, case.configuration) as session:
        if case.variant == STANDING:
            put_others(session)
        rounds = [drain_plain(session) for _ in range(context.options.rounds)]
    return {column: median(each[column] for each in rounds) for column in rounds[0]}


def put_others(session: Session) -> None:
    """Enqueue the tasks that stand in the queue while others are drained."""
    options, sizes = {"run_after": WEEK}, session.context.options
    session.call("enqueue", number=sizes.delayed, batch=True, options=options)
    session.call("enqueue", number=sizes.tracked, batch=True, options={**options, "track": True})


def drain_plain(session: Session) -> dict[str, float]:
    """Fill the queue with plain tasks, and drain it."""
    number = session.context.options.tasks
    session.records_file.write_bytes(b"")
    with server_cpu(session) as server:
        done = session.call("enqueue", number=number)
        rates = drain(session, number, None)
    cluster = session.processes[-1]
    cluster.terminate()
    cluster.wait(session.context.options.limit)
    times = {column: seconds / number * 1e6 for column, seconds in server.items()}
    return {"enqueue/s": done["rate"], "enqueue us": done["cpu"] * 1e6, **rates, **times}


MEASURE = Measure(
    "standing",
    "Plain tasks, others standing in the queue",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    variants=(EMPTY, STANDING),
    charted_column="tasks/s",
)

if __name__ == "__main__":
    main(MEASURE)
