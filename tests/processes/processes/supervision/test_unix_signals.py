"""Signals that were blocked or ignored, or come in the first moment."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from django_q.tasks import async_task, fetch
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


METHODS = pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])


def ignore_children() -> None:
    """Have the kernel keep no exit codes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block_signals() -> None:
    """Block what a cluster needs to hear of."""
    signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD]
    )


def ignore_stops() -> None:
    """Ignore what a cluster is stopped by, and its alarms."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


@METHODS
def test_processes_that_die_are_replaced_where_sigchld_was_ignored(prepared, method):
    cluster = prepared(ignore_children, start_method=method)

    cluster.kill("worker-1")
    cluster.wait_for("reincarnated worker-1 after death by SIGKILL")
    cluster.kill("sentinel")
    cluster.wait_for("the sentinel ended with code -9")
    cluster.wait_for("monitoring at", 2)

    assert cluster.stop() == 0


@METHODS
def test_processes_that_die_are_replaced_where_the_project_ignores_sigchld(
    broker, running_cluster, monkeypatch, method
):
    monkeypatch.setenv("DJANGO_Q_TEST_IGNORES_CHILDREN", "1")
    cluster = running_cluster(start_method=method)

    cluster.kill("worker-1")
    cluster.wait_for("reincarnated worker-1")

    assert cluster.stop() == 0


@pytest.mark.parametrize("prepare", [block_signals, ignore_stops])
def test_signals_are_heard_that_were_blocked_or_ignored(prepared, prepare):
    cluster = prepared(prepare)
    limited = async_task("tests.tasks.sleep_for", 300, timeout=1)
    wait_until(lambda: fetch(limited) is not None, 20)

    assert "exceeded its time limit" in fetch(limited).result
    assert cluster.stop(20) == 0


def test_a_signal_in_the_first_moment_is_a_stop(broker, running_cluster, tmp_path):
    codes = set()
    for tenths in range(12):
        cluster = running_cluster(ready=False)
        wait_until(lambda cluster=cluster: has_set_up(cluster.pid), 30, interval=0.01)
        time.sleep(tenths / 10)
        codes.add(cluster.stop())

    assert codes == {0}


def has_set_up(pid: int) -> bool:
    """Whether a process has handlers for the signals that stop a cluster."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return True
