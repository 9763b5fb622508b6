"""The thread of a monitor that extends leases."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from django_q.processes.monitor import MonitorLoop
from django_q.queues import Queue


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_thread_that_keeps_leases_survives_whatever_is_raised_in_it(conf, wait_until, error):
    conf(retry=0.5)
    extended = []

    def extend(receipts: list, seconds: float) -> None:
        extended.append(receipts)
        if len(extended) < 3:
            raise error("as asked")

    loop = MonitorLoop(Queue(), SimpleNamespace(extend=extend, errors=()))
    loop.batch, loop.busy_since = [{"ack_id": 7}], 0.0
    thread = threading.Thread(target=loop.run_lease_thread, daemon=True)

    thread.start()

    wait_until(lambda: len(extended) > 3, timeout=5)
    assert extended[-1] == [7]
    loop.busy_since = float("inf")  # the thread has nothing more to do
