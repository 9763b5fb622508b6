"""Commit from sixteen processes while a cluster saves results, with callers that wait and without.

Each process commits as often as it can: tasks, into a queue that no cluster serves, or rows of the
project in the database of results. Meanwhile a cluster runs and saves 50 tasks a second. Windows of
``--window-seconds`` follow each other on the same cluster and tables, in changing order: without a
waiter, with a connection that listens to something else, with one ``result(wait=)``, and with fifty
``aresult(wait=)`` on one connection, all told of each result. PostgreSQL wakes each listener of a
database for each notification, such as that of a task: so much any waiter costs. A ratio is that of
a window with waiters to the one without of the same round; what is shown is the median over
``--rounds``.
"""

from __future__ import annotations

from statistics import median

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.processes import end
from benchmarks.session import BenchmarkContext, Session
from benchmarks.sides import Side

#: Seconds between two tasks that the cluster runs and saves meanwhile.
FEED_INTERVAL = 0.02
#: How many wait in a window, by the call that they wait in; nobody in the first.
WAITERS = {"alone": 0, "listener": 1, "result": 1, "aresult": 50}
#: Shares of the commits that were faster.
PERCENTILES = {"p50 ms": 0.50, "p95 ms": 0.95}

#: What was measured in a window.
Window = dict[str, float]


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample: rounds of windows on one cluster."""
    with context.session(side, case.configuration) as session:
        session.warm_cluster()
        session.begin("feed", interval=FEED_INTERVAL)
        measure(session, case.variant)  # not counted: the first one has tables that are empty
        rounds = [
            measure_round(session, case.variant, number) for number in range(context.options.rounds)
        ]
    return summary(rounds)


def measure_round(session: Session, kind: str, number: int) -> dict[str, Window]:
    """Measure a window of each kind, in another order each time."""
    calls = list(WAITERS)
    start = number % len(calls)
    return {call: measure_waited(session, kind, call) for call in calls[start:] + calls[:start]}


def measure_waited(session: Session, kind: str, call: str) -> Window:
    """Measure a window while some wait for results that do not come."""
    if not WAITERS[call]:
        return measure(session, kind)
    waiting = session.begin("keep_waiting", call=call, number=WAITERS[call])
    try:
        if not waiting.stdout.readline():  # it is written when all wait
            raise RuntimeError(session.log.read_text().strip()[-2000:] or "nobody waits")
        return measure(session, kind)
    finally:
        end(waiting)


def measure(session: Session, kind: str) -> Window:
    """Let all processes commit for a while; the rate, and how long a commit took."""
    options = session.context.options
    arguments = {"kind": kind, "writers": options.writers, "seconds": options.window_seconds}
    ordered = sorted(session.call("commit", **arguments))
    return {
        "commits/s": len(ordered) / options.window_seconds,
        **{name: ordered[int(len(ordered) * share)] * 1000 for name, share in PERCENTILES.items()},
    }


def summary(rounds: list[dict[str, Window]]) -> dict[str, float]:
    """Give the medians without a waiter, and those of the ratios of each round."""
    alone, *waited = WAITERS
    columns = list(rounds[0][alone])
    ratios = {
        f"{call} : {alone}, {column}": median(
            windows[call][column] / windows[alone][column] for windows in rounds
        )
        for call in waited
        for column in columns
    }
    return {column: median(each[alone][column] for each in rounds) for column in columns} | ratios


MEASURE = Measure(
    "committing",
    "Commits from many processes while somebody waits for results",
    sample,
    ("postgres-postgres",),
    variants=("tasks", "rows"),
    charted_column="commits/s",
)

if __name__ == "__main__":
    main(MEASURE)
