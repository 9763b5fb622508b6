"""Ends that are none, that are final in any case, and packages that receivers have spoiled."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import pytest

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH
from django_q.completion.completion import complete
from django_q.exceptions import TaskCancelled, TaskStopped
from django_q.execution.execution import decode
from django_q.models import Failure, Task
from django_q.signals import attempt_ended, post_execute_in_worker
from django_q.task_state.position import read_position
from django_q.tasks import async_task, fetch
from tests.integration.completion.executed_items import execute_waiting, fail_on_submit
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)

on_each = pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
in_memory = pytest.mark.parametrize("broker", ["memory"], indirect=True)

#: Retried at once, as often as a test likes.
AT_ONCE = {"retries": 9, "retry_delay": 0}


@on_each
def test_a_task_that_was_interrupted_by_a_stop_goes_on_and_nobody_is_told(broker, caplog):
    caplog.set_level(logging.INFO)
    hooked.clear()
    ends: list[Any] = []
    attempt_ended.connect(lambda **about: ends.append(about), weak=False, dispatch_uid="ends")
    task_id = async_task("tests.tasks.multiply", 2, 3, hook=hook)
    (delivery,) = broker.dequeue(1, 1)
    package = decoded(delivery)
    package.update(success=False, result=None, stopped_at={"0": [12]})
    package["stopped"] = package["started"]

    complete([package], broker, fail_on_submit)

    attempt_ended.disconnect(dispatch_uid="ends")
    assert (Task.objects.count(), hooked, ends) == (0, [], [])
    (again,) = broker.dequeue(1, 1)
    assert again.attempt == 1
    assert read_position(task_id, again.state.position) == {"0": [12]}
    assert "goes on after the stop" in caplog.text
    assert "Failed" not in caplog.text


@in_memory
def test_what_stops_a_task_is_no_failure_of_it(broker):
    told = []
    async_task("tests.integration.completion.test_final_ends.stop", q_options=AT_ONCE)
    post_execute_in_worker.connect(lambda **about: told.append(about), dispatch_uid="told")
    (package,) = execute_waiting(broker)
    post_execute_in_worker.disconnect(dispatch_uid="told")

    assert (package["success"], told) == (False, [])
    assert "retry_in" not in package
    assert "exception" not in package


def stop() -> None:
    """Be interrupted, as ``iterate`` does when the cluster stops."""
    raise TaskStopped


@in_memory
def test_a_cancelled_task_is_final(broker, run_all):
    task_id = async_task(
        "tests.integration.completion.test_final_ends.cancelled", q_options=AT_ONCE
    )

    packages = execute_waiting(broker)
    complete(packages, broker, fail_on_submit)

    assert fetch(task_id).exception == "django_q.exceptions.TaskCancelled"
    assert broker.queue_size() == broker.lock_size() == 0


def cancelled() -> None:
    """Be cancelled."""
    raise TaskCancelled


@pytest.mark.parametrize("broker", ["sqs", "custom"], indirect=True)
def test_without_a_state_deliveries_count_where_they_are_numbered(broker, monkeypatch):
    released = []
    monkeypatch.setattr(type(broker), "release", lambda *a, **b: released.append(b), raising=False)
    package = {
        **{"id": "a" * 32, "name": "any", "func": "a.b", "args": (), "kwargs": {}},
        **{"ack_id": "1", "success": False, "exception": "django_q.exceptions.Retry"},
    }
    async_task("tests.tasks.multiply", 2, 3, broker=broker)
    (delivery,) = [*broker.dequeue()]
    package["started"] = package["stopped"] = datetime.now().astimezone()
    package["ack_id"] = delivery[0]

    for attempt in (1, 10, 11):
        complete([{**package, "attempt": attempt, "retry_in": 5, "result": ""}], broker, print)

    is_numbered = getattr(broker, "redelivers", False)
    assert [call.get("delay") for call in released] == ([5, 5] if is_numbered else [])
    assert Failure.objects.count() == 1


@on_each
@pytest.mark.parametrize(
    "odd", [[3], {"a": 1}, "text", object()], ids=["list", "dict", "text", "object"]
)
def test_what_receivers_put_into_a_package_ends_no_monitor(broker, run_all, odd):
    names = ("retry_in", "ends", "ended_count", "deaths", "stopped_at", "last_position", "worker")

    def spoil(task: dict, **about: Any) -> None:
        task.update(dict.fromkeys(names[:4], odd))
        task["last_position"] = odd

    post_execute_in_worker.connect(spoil)
    try:
        task_id = async_task("tests.tasks.raise_error", q_options={**AT_ONCE, "retries": 1})
        run_all(broker)
    finally:
        post_execute_in_worker.disconnect(spoil)

    assert fetch(task_id).success is False
    assert broker.lock_size() == 0


@on_each
def test_long_texts_of_ten_ends_are_kept_within_the_limit(broker, run_all):
    options = {**AT_ONCE, "retries": 11}
    task_id = async_task("tests.tasks.raise_error", "\x00ä\U0001f600" * 50_000, q_options=options)

    run_all(broker)

    task = fetch(task_id)
    assert (task.attempt_count, len(task.attempts)) == (12, 10)
    assert len(str(task.attempts)) < MAX_STATE_LENGTH


def decoded(delivery: Any) -> dict[str, Any]:
    """Read the package of a delivery, as a worker does."""
    package = decode(delivery.ack_id, delivery.payload)
    package.update(ack_id=delivery.ack_id, attempt=delivery.attempt)
    return package
