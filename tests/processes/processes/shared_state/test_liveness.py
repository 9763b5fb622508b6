"""Processes that stand still are replaced, and keep no cluster from its stop."""

from __future__ import annotations

import signal
import time

import pytest

from django_q.models import Success
from django_q.tasks import async_task, fetch
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def test_a_monitor_that_stands_still_is_replaced_and_nothing_runs_again(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(retry=8)
    cluster.kill("monitor", signal.SIGSTOP)
    trace = tmp_path / "runs"
    ids = [async_task("tests.tasks.trace", str(trace), number, 0) for number in range(200)]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 200, 30)

    cluster.wait_for("reincarnated monitor after standing still")
    assert len(trace.read_text().split()) == 200


@pytest.mark.parametrize("role", ["pusher", "scheduler"])
def test_others_that_stand_still_are_replaced(broker, running_cluster, role):
    cluster = running_cluster(retry=8, scheduler=True)

    cluster.kill(role, signal.SIGSTOP)
    cluster.wait_for(f"reincarnated {role} after standing still")

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: fetch(task) is not None, 20)


def test_a_cluster_that_was_asleep_as_a_whole_replaces_nothing(broker, running_cluster):
    cluster = running_cluster(retry=6)
    sleepers = cluster.processes()
    for process in sleepers:
        process.suspend()
    time.sleep(5)  # longer than one may stand still
    for process in reversed(sleepers):
        process.resume()

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: fetch(task) is not None, 20)
    time.sleep(2)

    assert "standing still" not in cluster.log()


def test_what_a_stop_kills_is_not_said_to_have_died(broker, running_cluster):
    cluster = running_cluster(stop_timeout=1, retry=60)
    cluster.kill("pusher", signal.SIGSTOP)

    assert cluster.stop(60) == 0

    assert "pusher did not end in time and is killed" in cluster.log()
    assert "reincarnated" not in cluster.log()
    assert "out of memory" not in cluster.log()
