"""Results of Django's tasks framework are found while the task waits, runs, and has ended."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from django_q.calls.resubmission import resubmit
from django_q.conf import Conf
from django_q.models import Task
from django_q.status import Stat
from django_q.task_backend.framework import RESULT_DOES_NOT_EXIST, error_class
from django_q.tasks import async_task
from tests import framework_tasks
from tests.framework_tasks import add, backend, echo, fail, task

pytestmark = pytest.mark.django_db(transaction=True)

ResultDoesNotExist = error_class(RESULT_DOES_NOT_EXIST)
BROKERS = pytest.mark.parametrize("broker", ["redis", "orm", "memory"], indirect=True)


def heartbeat(broker: Any, task_id: str) -> datetime:
    """Save the heartbeat of a cluster whose worker has run a task for ten seconds; its time."""
    run = {
        **{"pid": 7, "id": task_id, "name": "a name", "func": "f", "group": ""},
        **{"attempt": 1, "since": 1.0, "seconds": 10.0},
    }
    stat = Stat(cluster_id=UUID(int=5), host="there", pid=1, running=[run], status=Conf.WORKING)
    stat.timestamp = datetime.now(timezone.utc)
    stat.save(broker)
    return stat.timestamp


@BROKERS
def test_a_task_that_waits_is_ready(broker):
    due = datetime.now(timezone.utc) + timedelta(hours=1)
    asked = echo.using(priority=-3, run_after=due)
    result = asked.enqueue(1, two=[3])

    found = backend["default"].get_result(result.id)

    assert found == result
    assert found.task == asked
    assert async_to_sync(asked.aget_result)(result.id) == result


@BROKERS
def test_a_task_that_runs_is_running(broker):
    result = add.enqueue(1)
    (delivery,) = broker.dequeue()
    leased = add.get_result(result.id).status

    now = heartbeat(broker, result.id)

    found = add.get_result(result.id)
    assert (leased, found.status) == ("READY", "RUNNING")
    assert found.worker_ids == ["there:7"]
    assert found.started_at == found.last_attempted_at
    assert abs(found.started_at - (now - timedelta(seconds=10))) < timedelta(milliseconds=1)
    assert (found.args, found.enqueued_at) == ([1], result.enqueued_at)
    broker.acknowledge(delivery.ack_id)


@BROKERS
def test_a_task_that_is_put_back_runs_no_more_whatever_an_old_heartbeat_says(broker):
    result = add.enqueue(1)
    (delivery,) = broker.dequeue()
    heartbeat(broker, result.id)

    broker.release([delivery.ack_id])

    result.refresh()
    assert (result.status, result.worker_ids, result.started_at) == ("READY", [], None)


@BROKERS
def test_a_task_that_has_ended_is_found_as_it_was_called(broker, run_once):
    asked = echo.using(priority=-3, group="sums")
    result = asked.enqueue(1, two=[3])

    run_once(broker)

    found = asked.get_result(result.id)
    assert (found.status, found.args, found.kwargs) == ("SUCCESSFUL", [1], {"two": [3]})
    assert (found.task.priority, found.task.queue_name) == (-3, "mail")
    assert found.backend == "default"
    assert Task.objects.get(id=result.id).group == "sums"


def test_a_result_is_brought_up_to_date_in_place(broker, run_once):
    result = add.enqueue(1)
    run_once(broker)

    result.refresh()
    again = add.enqueue(2)
    async_to_sync(result.arefresh)()

    assert (result.return_value, again.status) == (1, "READY")


@pytest.mark.parametrize(
    "task_id",
    [
        *("", "123", "no such task", "0" * 32, "0" * 64, "\x00", "é" * 32, "x" * 10_000),
        *(None, 5, b"abc", object(), [], UUID(int=3), str(UUID(int=3))),
    ],
)
def test_an_id_of_no_task_gives_no_result(broker, task_id):
    with pytest.raises(ResultDoesNotExist):
        backend["default"].get_result(task_id)
    with pytest.raises(ResultDoesNotExist):
        async_to_sync(backend["default"].aget_result)(task_id)


def test_an_id_may_be_written_as_a_uuid(broker):
    result = add.enqueue(1)

    assert add.get_result(str(UUID(result.id))) == result
    assert add.get_result(UUID(result.id)) == result


def test_a_plain_task_has_no_result_here(broker, run_all):
    ended = async_task("tests.tasks.multiply", 2, 3)
    run_all(broker)
    waiting = async_task("tests.tasks.multiply", 2, 3, q_options={"track": True})
    running = async_task("tests.tasks.multiply", 2, 3)
    heartbeat(broker, running)

    for task_id in (waiting, running, ended):
        with pytest.raises(ResultDoesNotExist):
            backend["default"].get_result(task_id)


def test_the_result_of_another_task_is_refused(broker):
    result = add.enqueue(1)

    with pytest.raises(Exception, match="Task does not match") as caught:
        fail.get_result(result.id)
    assert type(caught.value).__name__ == "TaskResultMismatch"


def test_results_outlive_their_queue_in_the_settings(broker, run_once, tasks_setting):
    ended = echo.enqueue(1)
    run_once(broker)
    waiting = echo.enqueue(2)
    tasks_setting(QUEUES=["default"])

    assert backend["default"].get_result(ended.id).task.queue_name == "mail"
    assert backend["default"].get_result(waiting.id).task.queue_name == "mail"
    waiting.refresh()
    assert waiting.status == "READY"


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_queue_of_its_own_is_searched_and_also_when_the_settings_have_it_no_more(
    broker, conf, tasks_setting
):
    conf(alt_clusters={"mail": {}})
    result = echo.enqueue(1)
    in_own_queue = (broker.queue_size(), echo.get_result(result.id))
    tasks_setting(QUEUES=["default"])
    conf(alt_clusters={})

    assert in_own_queue == (0, result)
    assert backend["default"].get_result(result.id) == result


def test_a_function_that_is_gone_leaves_its_result(broker, run_all, monkeypatch):
    made = task(framework_tasks.plain)
    ended, failed = made.enqueue(1), fail.enqueue()
    run_all(broker)
    waiting = made.enqueue(2)
    monkeypatch.delattr(framework_tasks, "plain")
    monkeypatch.delattr(framework_tasks, "fail")

    found = backend["default"].get_result(ended.id)
    assert (found.return_value, found.task.module_path) == (2, "tests.framework_tasks.plain")
    assert backend["default"].get_result(failed.id).errors[0].exception_class is ValueError
    assert backend["default"].get_result(waiting.id).status == "READY"
    with pytest.raises(ImportError, match=r"'tests.framework_tasks.plain' of this task can not be"):
        found.task.call(1)


def test_a_task_whose_function_is_gone_fails_with_a_result(
    broker, run_once, monkeypatch, signals_sent
):
    result = fail.enqueue()
    monkeypatch.delattr(framework_tasks, "fail")

    run_once(broker)

    result.refresh()
    assert result.errors[0].exception_class is AttributeError
    assert [name for name, _, _ in signals_sent] == ["task_enqueued", "task_finished"]


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [("gone.Error", ImportError, "gone"), ("builtins.len", ValueError, "builtins.len")],
)
def test_an_error_whose_class_is_gone_keeps_its_path_and_its_traceback(
    broker, run_once, path, error, text
):
    result = fail.enqueue()
    run_once(broker)
    Task.objects.filter(id=result.id).update(exception=path)

    (found,) = fail.get_result(result.id).errors

    assert found.exception_class_path == path
    assert found.traceback.endswith("ValueError: as asked\n")
    with pytest.raises(error, match=text):
        _ = found.exception_class


def test_a_failure_that_is_resubmitted_has_its_id_and_its_errors(broker, run_once):
    result = fail.enqueue("once")
    run_once(broker)

    resubmit(Task.objects.get(id=result.id))

    result.refresh()
    assert (result.status, result.args) == ("READY", ["once"])
    run_once(broker)
    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == ("FAILED", 2, 2)
    assert Task.objects.get(id=result.id).keep_until is not None


def test_the_worker_is_named_by_host_and_process(broker, run_once):
    result = add.enqueue(1)
    run_once(broker)

    result.refresh()

    assert result.worker_ids == [f"{socket.gethostname()}:{os.getpid()}"]
