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


@pytest.fixture
def stalled(broker, running_cluster, tmp_path):
    """Start a cluster that runs a long task, and whose sentinel then stands still."""

    def start(**options):
        cluster = running_cluster(**options)
        async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
        wait_until((tmp_path / "runs").exists, 10)
        cluster.processes()
        cluster.kill("sentinel", signal.SIGSTOP)
        return cluster

    return start


def test_a_sentinel_that_stands_still_keeps_no_cluster_from_its_stop(stalled):
    cluster = stalled(stop_timeout=3)

    cluster.terminate()

    assert cluster.process.wait(60) == 0
    assert "the sentinel has stood still for" in cluster.log()
    wait_until(lambda: cluster.remaining_processes() == [], 10)


def test_a_second_signal_ends_a_cluster_whose_sentinel_stands_still(stalled):
    cluster = stalled(stop_timeout=300)

    cluster.terminate()
    cluster.wait_for("stopping after SIGTERM")
    time.sleep(0.3)  # a second wish, and no echo of the first
    cluster.terminate()

    assert cluster.process.wait(60) == 0
    wait_until(lambda: cluster.remaining_processes() == [], 10)
