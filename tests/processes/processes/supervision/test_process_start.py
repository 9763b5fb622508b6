"""Processes of a cluster under each start method."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from django_q.tasks import async_task, fetch, result
from tests.processes.guarantees.traces import all_saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_cluster_works_under_each_start_method(broker, running_cluster, method):
    cluster = running_cluster(start_method=method)

    ids = [async_task("tests.tasks.multiply", n, 2) for n in range(20)]
    wait_until(lambda: all_saved(ids))

    assert cluster.stop() == 0
    wait_until(lambda: cluster.remaining_processes() == [])  # Python's own helpers end after it


def test_a_cluster_works_on_the_sockets_of_macos(broker, running_cluster, monkeypatch):
    monkeypatch.setenv("DJANGO_Q_TEST_SOCKETS", "datagrams")
    cluster = running_cluster(start_method="spawn").wait_ready()

    cluster.kill("worker")
    cluster.wait_for("reincarnated worker")
    ids = [async_task("tests.tasks.count_letters", "x" * 30_000 * n) for n in range(50)]

    wait_until(lambda: all_saved(ids))
    assert [result(id) for id in ids] == [30_000 * n for n in range(50)]
    assert cluster.stop() == 0


def test_a_fork_server_that_is_killed_leaves_no_second_worker(broker, running_cluster):
    cluster = running_cluster(start_method="forkserver")
    old = cluster.pids("worker")
    (server,) = {psutil.Process(pid).ppid() for pid in old}

    os.kill(server, signal.SIGKILL)

    cluster.wait_for("ready for work", 4)
    wait_until(lambda: not any(map(psutil.pid_exists, old)))
    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6
