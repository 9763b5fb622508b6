"""What a real cluster does with tasks of Django's framework is seen in their results."""

from __future__ import annotations

import os
from typing import Any

import pytest

from django_q.tasks import cancel
from tests.framework_tasks import add_async, die_unless_there, exit_now, fail, sleep_until_there

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

BROKERS = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def status_of(result: Any) -> str:
    """Return the state of a task now."""
    result.refresh()
    return str(result.status)


@BROKERS
def test_a_task_is_ready_then_running_then_successful(
    broker, running_cluster, wait_until, tmp_path
):
    end = tmp_path / "end"
    result = sleep_until_there.enqueue(str(end))
    states = [status_of(result)]

    def is_now(state: str) -> bool:
        states.append(status_of(result))
        return states[-1] == state

    cluster = running_cluster(workers=1)
    wait_until(lambda: is_now("RUNNING"))
    running = (result.attempts, result.started_at, result.finished_at)
    worker = cluster.pids("worker")[0]
    end.touch()
    wait_until(lambda: is_now("SUCCESSFUL"))

    assert list(dict.fromkeys(states)) == ["READY", "RUNNING", "SUCCESSFUL"]
    assert running == (1, running[1], None)
    assert result.worker_ids == [f"{os.uname().nodename}:{worker}"]
    assert result.return_value == str(end)
    assert abs((result.started_at - running[1]).total_seconds()) < 1


@BROKERS
def test_a_killed_worker_leaves_no_task_running(broker, running_cluster, wait_until, tmp_path):
    cluster = running_cluster(workers=1)
    result = sleep_until_there.using(max_attempts=1).enqueue(str(tmp_path / "never"))
    wait_until(lambda: status_of(result) == "RUNNING")

    cluster.kill("worker")

    wait_until(lambda: status_of(result) == "FAILED")
    (error,) = result.errors
    assert error.exception_class_path == "django_q.exceptions.WorkerDied"
    assert (result.attempts, result.finished_at is None) == (1, False)


@BROKERS
def test_a_killed_cluster_leaves_no_task_running(broker, running_cluster, wait_until, tmp_path):
    cluster = running_cluster(workers=1, retry=3)
    end = tmp_path / "end"
    result = sleep_until_there.enqueue(str(end))
    wait_until(lambda: status_of(result) == "RUNNING")

    cluster.kill_all()

    wait_until(lambda: status_of(result) == "READY")
    end.touch()
    running_cluster(workers=1, retry=3)
    wait_until(lambda: status_of(result) == "SUCCESSFUL")


def test_a_task_whose_worker_dies_is_run_again(broker, running_cluster, wait_until, tmp_path):
    running_cluster(workers=1)

    result = die_unless_there.enqueue(str(tmp_path / "died"))
    ended = exit_now.using(max_attempts=1).enqueue()

    wait_until(lambda: status_of(result) == "SUCCESSFUL")
    wait_until(lambda: status_of(ended) == "FAILED")
    assert ended.errors[0].exception_class_path == "django_q.exceptions.WorkerDied"


def test_a_task_that_runs_too_long_fails(broker, running_cluster, wait_until, tmp_path):
    running_cluster(workers=1)

    result = sleep_until_there.using(timeout=0.5).enqueue(str(tmp_path / "never"))

    wait_until(lambda: status_of(result) == "FAILED")
    assert result.errors[0].exception_class_path == "django_q.exceptions.TimeoutException"


def test_coroutines_and_failures_end_as_they_should(broker, running_cluster, wait_until):
    cluster = running_cluster(workers=1)

    done, failed = add_async.enqueue(1, 2), fail.enqueue("for a reason")

    wait_until(lambda: status_of(done) == "SUCCESSFUL")
    wait_until(lambda: status_of(failed) == "FAILED")
    assert done.return_value == 3
    assert failed.errors[0].traceback.endswith("ValueError: for a reason\n")
    assert cluster.stop() == 0


@BROKERS
def test_a_task_that_is_cancelled_fails_and_says_so(broker, running_cluster, wait_until, tmp_path):
    running_cluster(workers=1)
    running = sleep_until_there.enqueue(str(tmp_path / "never"))
    wait_until(lambda: status_of(running) == "RUNNING")
    waiting = fail.enqueue()

    for result in (waiting, running):
        cancel(result.id)

    for result in (waiting, running):
        wait_until(lambda result=result: status_of(result) == "FAILED")
        assert result.errors[-1].exception_class_path == "django_q.exceptions.TaskCancelled"
