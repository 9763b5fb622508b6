"""A sentinel that stands still keeps no cluster from its stop."""

from __future__ import annotations

import signal
import time

import pytest

from django_q.tasks import async_task
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def test_a_sentinel_that_stands_still_keeps_no_cluster_from_its_stop(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(stop_timeout=3)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
    wait_until((tmp_path / "runs").exists, 10)
    cluster.processes()
    cluster.kill("sentinel", signal.SIGSTOP)

    cluster.terminate()

    assert cluster.process.wait(60) == 0
    assert "the sentinel has stood still for" in cluster.log()
    wait_until(lambda: cluster.remaining_processes() == [], 10)


def test_a_second_signal_ends_a_cluster_whose_sentinel_stands_still(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(stop_timeout=300)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
    wait_until((tmp_path / "runs").exists, 10)
    cluster.processes()
    cluster.kill("sentinel", signal.SIGSTOP)

    cluster.terminate()
    cluster.wait_for("stopping after SIGTERM")
    time.sleep(0.3)  # a second wish, and no echo of the first
    cluster.terminate()

    assert cluster.process.wait(60) == 0
    wait_until(lambda: cluster.remaining_processes() == [], 10)
