"""A project's own code that fails in the worst ways, and a log that nobody reads."""

from __future__ import annotations

import time

from django_q.completion.orphans import MAX_CRASHES
from tests.faults.driver import RETRY, Run
from tests.faults.faults import fault

BOTH = ("redis", "sqlite", "postgres")
#: Tasks whose hooks fail.
FEW = 12


def enqueue_with(run: Run, hook: str) -> None:
    """Enqueue tasks with a hook of that name."""
    for number in range(10_000, 10_000 + FEW):
        arguments = (str(run.trace_file), number, 0)
        run.attempt(number, arguments, {"hook": f"tests.faults.tasks.{hook}"})


@fault("hooks raise what is no Exception", BOTH, short=("redis",))
def raise_in_hooks(run: Run) -> None:
    """Let hooks raise ``KeyboardInterrupt``, ``SystemExit`` and what else is no ``Exception``."""
    enqueue_with(run, "raising_hook")


@fault("hooks end their process", BOTH)
def exit_in_hooks(run: Run) -> None:
    """Let hooks end the monitor at random (``os._exit``)."""
    for _ in range(MAX_CRASHES * FEW):
        run.lapse()  # each may end it three times, with others' results in its hands
    enqueue_with(run, "exiting_hook")


def listen(run: Run) -> None:
    """Have the receivers of a project listen in the clusters to come."""
    run.rig.extra["DJANGO_Q_FAULT_RECEIVERS"] = "1"


@fault("receivers raise what is no Exception", BOTH, short=("redis",), prepare=listen)
def raise_in_receivers(run: Run) -> None:
    """Let receivers of signals in worker and monitor raise what is no ``Exception``, at random."""


def have_log_reader(run: Run) -> None:
    """Have somebody read what the clusters to come log."""
    run.rig.has_log_reader = True


@fault("log not read", BOTH, short=("redis",), prepare=have_log_reader)
def leave_log(run: Run) -> None:
    """Read nothing of what the cluster logs for longer than leases last."""
    run.instant()
    with run.cluster.reader.away():
        time.sleep(run.random.uniform(RETRY * 2.5, RETRY * 4))


@fault("log not read at a stop", BOTH, prepare=have_log_reader, stop_timeout=3)
def leave_log_at_stop(run: Run) -> None:
    """Stop while nobody reads what the cluster logs, and start another cluster."""
    run.instant()
    with run.crash(), run.cluster.reader.away():
        run.instant(RETRY)
        run.cluster.stop()
    run.start_cluster()
