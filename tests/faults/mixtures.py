"""Several faults in one run, one after another or at once, as the seed has it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import psutil
from django.db import connections

from django_q.models import Task
from tests.faults import outages  # noqa: F401 - it registers its faults
from tests.faults.driver import Run
from tests.faults.faults import FAULTS, fault
from tests.faults.misbehaviour import DEEDS, misbehave
from tests.faults.rigs import ALIAS

#: What is mixed: faults whose invariants hold of them together, too.
MIXED = (
    "kill worker",
    "kill pusher",
    "kill monitor",
    "kill sentinel",
    "kill at random",
    "pause each process",
    "pause longer than a lease",
    "server refuses",
    "server stalls",
    "server slow",
    "connections cut",
    "replies lost",
    "Redis killed and restarted",
    "PostgreSQL restarted",
    "MariaDB killed and restarted",
)


@fault("mixture")
def mix(run: Run) -> None:
    """Break two or three of these at once or one after another, with tasks that misbehave."""
    here = [name for name in MIXED if run.rig.kind in FAULTS[name].brokers]
    names = run.random.sample(here, run.random.randint(2, 3))
    deeds = run.random.sample(DEEDS, 2)
    at_once = run.random.random() < 0.5
    run.parts = [*names, *(deed.func for deed in deeds), "at once" if at_once else "in this order"]
    for _ in run.parts:
        run.lapse()  # together they may take longer than a lease
    ids = [misbehave(run, deed) for deed in deeds]
    threads = [threading.Thread(target=step, args=(FAULTS[name].inject, run)) for name in names]
    for thread in threads:
        thread.start()
        if not at_once:
            thread.join()
    for thread in threads:
        thread.join()
    connections[ALIAS].close()  # the server may be another process now
    done = Task.objects.using(ALIAS).filter(id__in=ids)
    assert run.quietly(lambda: done.count() == len(ids), 60), run.told()


def step(inject: Callable[[Run], None], run: Run) -> None:
    """Inject one of the faults, beside others that may take away what it looks for."""
    try:
        with contextlib.suppress(psutil.Error, ProcessLookupError, IndexError):
            inject(run)
    finally:
        connections.close_all()
