"""A sentinel that fails is replaced."""

from __future__ import annotations

import signal

import psutil
import pytest

from django_q.tasks import async_task
from tests.clusters import is_alive
from tests.processes.guarantees.traces import all_saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_a_sentinel_that_fails_is_replaced(broker, running_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("DJANGO_Q_TEST_FAILS", "1")
    # The lease of the task that goes on in the old worker outlasts the test: the new one is free.
    cluster = running_cluster(workers=1, retry=300)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "begun"), 300)
    wait_until((tmp_path / "begun").exists)
    pusher = psutil.Process(*cluster.pids("pusher"))

    cluster.processes()  # so that the worker, which goes on, ends with the test
    sentinel = psutil.Process(*cluster.pids("sentinel"))

    def has_failed() -> bool:
        """Have it fail again where it was writing its heartbeat, which goes on after a failure."""
        if "the sentinel ended with code 1" in cluster.log():
            return True
        if is_alive(sentinel):
            sentinel.send_signal(signal.SIGUSR1)
        return False

    wait_until(has_failed, interval=2.0)
    wait_until(lambda: not is_alive(pusher))  # or it takes the next task, and nobody runs it

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: all_saved([task]))
