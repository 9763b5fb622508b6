"""The backend for Django's tasks framework: what it accepts, enqueues and tells."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from django_q.backend import DjangoQBackend, DjangoQTask
from django_q.models import Task
from django_q.models.columns.stored_values import JSON_MARK
from django_q.signing import SignedPackage
from django_q.task_backend.framework import (
    INVALID_TASK,
    RESULT_DOES_NOT_EXIST,
    TaskResultStatus,
    error_class,
)
from tests import framework_tasks
from tests.framework_tasks import add, add_async, backend, echo, task, tell

pytestmark = pytest.mark.django_db(transaction=True)

InvalidTask, ResultDoesNotExist = error_class(INVALID_TASK), error_class(RESULT_DOES_NOT_EXIST)

BEFORE_THE_MODELS = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["DJANGO_Q_TEST_DATABASE"] = "sqlite"
from tests.framework_tasks import add
add.using(priority=3, group="early")
assert not [name for name in sys.modules if name.startswith("django_q.models")]
"""


def test_tasks_are_decorated_and_validated_before_there_are_models():
    done = subprocess.run([sys.executable, "-c", BEFORE_THE_MODELS], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_decorated_function_is_a_task_of_the_backend():
    assert isinstance(backend["default"], DjangoQBackend)
    assert isinstance(add, DjangoQTask)
    assert add.call(1, 2) == 3
    assert add_async.call(1, 2) == 3


def test_the_backend_serves_all_that_a_task_may_ask_for():
    found = backend["default"]

    assert found.supports_defer
    assert found.supports_async_task
    assert found.supports_get_result
    assert found.supports_priority


@pytest.mark.parametrize("priority", [-101, 101, 3.1, "5"])
def test_a_priority_out_of_range_is_refused(priority):
    with pytest.raises(InvalidTask, match="priority must be a whole number"):
        add.using(priority=priority)


def test_an_unknown_queue_is_refused(tasks_setting):
    with pytest.raises(InvalidTask, match="Queue 'other' is not valid for backend"):
        add.using(queue_name="other")

    tasks_setting(QUEUES=[])

    assert add.using(queue_name="other").queue_name == "other"


@pytest.mark.parametrize(
    ("run_after", "words"),
    [
        (datetime(2030, 1, 1), "run_after must be an aware datetime"),
        (timedelta(seconds=-1), "a timedelta from 0 on"),
        (5, "a timedelta from 0 on; got 5"),
        ("soon", "a timedelta from 0 on; got 'soon'"),
    ],
)
def test_a_time_that_is_naive_or_a_span_below_zero_is_refused(run_after, words):
    with pytest.raises(InvalidTask, match=words):
        add.using(run_after=run_after)


def test_functions_that_no_worker_finds_are_refused(broker):
    def local() -> None:
        """Stand in a function."""

    with pytest.raises(InvalidTask, match="module level"):
        task(local)
    with pytest.raises(InvalidTask, match="module level"):
        task(any)
    with pytest.raises(InvalidTask, match="importable by name"):
        task(framework_tasks.nameless).enqueue()


def test_a_context_needs_an_argument_of_that_name():
    with pytest.raises(InvalidTask, match="first argument of 'context'"):
        task(takes_context=True)(framework_tasks.plain)


def test_a_task_is_validated_again_when_it_is_enqueued(broker, tasks_setting):
    tasks_setting(QUEUES=[])
    moved = add.using(queue_name="other")
    tasks_setting(QUEUES=["default"])

    with pytest.raises(InvalidTask, match="Queue 'other' is not valid"):
        moved.enqueue(1)
    with pytest.raises(InvalidTask, match="Queue 'other' is not valid"):
        async_to_sync(moved.aenqueue)(1)


def test_a_task_of_another_backend_is_run_by_this_one(broker, run_once):
    module = type(backend["default"]).__mro__[1].__module__.partition(".backends")[0]
    path = f"{module}.backends.immediate.ImmediateBackend"
    with override_settings(TASKS={"default": {"BACKEND": path}}):
        made = task(framework_tasks.plain)
    result = made.enqueue(4)

    run_once(broker)

    result.refresh()
    assert result.return_value == 8


def test_options_of_this_project_are_fields_of_a_task():
    changed = add.using(group="sums", timeout=3)

    assert (changed.group, changed.timeout, add.group) == ("sums", 3, None)
    assert changed.using(priority=2).group == "sums"
    with pytest.raises(TypeError, match="got colour"):
        add.using(colour="red")
    with pytest.raises(InvalidTask, match="'timeout' must be a number of seconds"):
        add.using(timeout="soon")


def test_the_decorator_takes_options_of_this_project_where_the_framework_lets_it():
    decorate = partial(task, group="sums", retries=2)

    if (6, 0) <= django.VERSION < (6, 1):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            decorate()(framework_tasks.plain)
        return
    made = decorate()(framework_tasks.plain)
    assert (made.group, made.retries, made.using(priority=3).group) == ("sums", 2, "sums")
    with pytest.raises(InvalidTask, match="'retries' must be"):
        task(framework_tasks.plain, retries="many")
    with pytest.raises(TypeError, match="run_after"):
        task(framework_tasks.plain, run_after=timezone.now())
    with pytest.raises(TypeError, match="colour"):
        task(framework_tasks.plain, colour="red")


def test_tasks_and_results_can_be_pickled(broker):
    changed = add.using(group="sums", run_after=timedelta(seconds=3))
    result = add.enqueue(1, y=2)

    assert pickle.loads(pickle.dumps(changed)) == changed
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_call_is_enqueued_and_ready(broker, signals_sent):
    before = timezone.now()

    result = add.enqueue(1, y=2)

    assert result.status == TaskResultStatus.READY
    assert (result.args, result.kwargs, result.task) == ([1], {"y": 2}, add)
    assert before <= result.enqueued_at <= timezone.now()
    assert (result.attempts, result.errors, result.is_finished) == (0, [], False)
    assert len(result.id) == 32
    assert signals_sent == [("task_enqueued", DjangoQBackend, result)]
    with pytest.raises(ValueError, match="not finished yet"):
        _ = result.return_value


def test_a_call_is_enqueued_from_a_coroutine(broker, run_once):
    result = async_to_sync(add_async.aenqueue)(1, 2)
    run_once(broker)

    async_to_sync(result.arefresh)()

    assert result.return_value == 3
    assert async_to_sync(add_async.aget_result)(result.id) == result


def test_arguments_that_contain_themselves_are_refused(broker):
    endless: list = []
    endless.append(endless)

    with pytest.raises(TypeError, match="a value that contains itself"):
        echo.enqueue(endless)


@pytest.mark.parametrize("value", [datetime(2030, 1, 1), object(), {1, 2}])
def test_arguments_that_json_has_not_are_refused_at_the_call(broker, value):
    with pytest.raises(TypeError, match="Unsupported type"):
        add.enqueue(value)
    assert broker.queue_size() == 0


def test_arguments_are_read_as_they_travel(broker, run_once):
    result = echo.enqueue((1, b"two"), three={4: "five"})

    run_once(broker)

    assert result.args == [[1, "two"]]
    assert result.kwargs == {"three": {"4": "five"}}
    result.refresh()
    assert result.return_value == [result.args, result.kwargs]


@pytest.mark.parametrize("on_commit", [None, False])
def test_a_call_in_a_transaction_waits_for_the_commit_unless_it_is_told_not_to(
    broker, tasks_setting, on_commit
):
    tasks_setting(OPTIONS={} if on_commit is None else {"on_commit": on_commit})
    waiting = []

    with transaction.atomic():
        add.enqueue(1)
        waiting.append(broker.queue_size())
    waiting.append(broker.queue_size())

    assert waiting == ([0, 1] if on_commit is None else [1, 1])


def test_a_call_in_a_transaction_that_is_rolled_back_is_not_made(broker):
    with transaction.atomic():
        result = add.enqueue(1)
        transaction.set_rollback(True)

    assert broker.queue_size() == 0
    with pytest.raises(ResultDoesNotExist):
        result.refresh()


def test_a_time_as_a_span_counts_from_the_call(broker, run_once):
    soon = add.using(run_after=timedelta(hours=1))

    result = soon.enqueue(1)

    assert timedelta(minutes=59) < result.task.run_after - timezone.now() <= timedelta(hours=1)
    assert (broker.count_tasks().delayed, broker.count_tasks().waiting) == (1, 0)
    assert soon.get_result(result.id).task.run_after == result.task.run_after


def test_a_higher_priority_runs_first(broker, run_all, signals_sent):
    results = [tell.using(priority=priority).enqueue() for priority in (-5, 0, 5)]

    run_all(broker)

    started = [result.id for name, _, result in signals_sent if name == "task_started"]
    assert started == [result.id for result in reversed(results)]


def package_of(payload: Any) -> Any:
    """Read a payload."""
    return SignedPackage.loads(payload)


def test_a_second_call_of_a_unique_key_gets_the_result_of_the_first(broker, signals_sent):
    once = add.using(unique=True)

    first, second, other = once.enqueue(1), once.enqueue(1), once.enqueue(2)

    assert second.id == first.id
    assert other.id != first.id
    assert [name for name, _, _ in signals_sent] == ["task_enqueued"] * 2


def test_no_value_of_a_call_is_pickled(broker, run_once):
    result = echo.enqueue("word" * 3, key=["value"])
    (payload,) = [task.payload for task in broker.list_tasks()]
    package = package_of(payload)
    run_once(broker)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT args, kwargs, result FROM {Task._meta.db_table} WHERE id = %s", [result.id]
        )
        stored = cursor.fetchone()

    assert package["func"] == "tests.framework_tasks.echo"
    assert (package["args"], package["kwargs"]) == ((), {})
    assert package["arguments"] == '[["wordwordword"],{"key":["value"]}]'
    assert [column.startswith(JSON_MARK) for column in stored] == [True] * 3
