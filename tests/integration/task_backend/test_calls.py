"""What a worker does with a task of Django's tasks framework, and whom it tells."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_q.backend import DjangoQBackend
from django_q.exceptions import FunctionRefused
from django_q.execution.run_details import worker_name
from django_q.models import Task
from django_q.task_backend.framework import NAME, TaskResultStatus
from django_q.wire.allowed_functions import permitted
from tests import framework_tasks
from tests.framework_tasks import (
    add,
    add_async,
    backend,
    fail,
    fail_oddly,
    interrupt,
    leave,
    return_lambda,
    return_many_types,
    return_time,
    signals,
    task,
    tell,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(broker: Any, run_once: Callable) -> Callable[..., Any]:
    """Enqueue a task, run it, and return its result."""

    def call(each: Any, *args: Any, **kwargs: Any) -> Any:
        result = each.enqueue(*args, **kwargs)
        run_once(broker)
        result.refresh()
        return result

    return call


def test_the_result_of_a_success_tells_all_of_its_run(run):
    before = timezone.now()

    result = run(add, 1, y=2)

    assert (result.status, result.return_value, result.is_finished) == ("SUCCESSFUL", 3, True)
    assert before <= result.enqueued_at <= result.started_at <= result.finished_at
    assert result.started_at == result.last_attempted_at
    assert (result.worker_ids, result.attempts, result.errors) == ([worker_name()], 1, [])


@pytest.mark.parametrize(
    ("each", "kind", "text"),
    [
        (fail, ValueError, "ValueError: as asked\n"),
        (leave, SystemExit, "SystemExit: as asked\n"),
        (interrupt, KeyboardInterrupt, "KeyboardInterrupt: as asked\n"),
        (fail_oddly, framework_tasks.OddError, "OddError: 1\n"),
        (return_lambda, TypeError, "Unsupported type: <class 'function'>\n"),
        (return_time, TypeError, "Unsupported type: <class 'datetime.datetime'>\n"),
    ],
)
def test_the_result_of_a_failure_has_its_error(run, each, kind, text):
    result = run(each)

    assert result.status == TaskResultStatus.FAILED
    (error,) = result.errors
    assert error.exception_class is kind
    assert error.traceback.startswith("Traceback (most recent call last):\n")
    assert error.traceback.endswith(text)
    assert result.worker_ids == [worker_name()]
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_a_coroutine_function_is_run_to_its_end(run):
    assert run(add_async, 1, 2).return_value == 3


def test_a_result_is_what_json_makes_of_it(run):
    assert run(return_many_types).return_value == {"1": [2, "three"], "four": [5.5, None, True]}


def test_a_task_that_takes_the_context_gets_it(run):
    result = run(tell.using(queue_name="mail"), word="hello")

    assert result.return_value == {
        "id": result.id,
        "attempt": 1,
        "status": "RUNNING",
        "args": [],
        "word": "hello",
        "queue": "mail",
    }


def test_a_task_that_is_made_where_it_is_enqueued_calls_a_plain_function(run):
    made = task(framework_tasks.plain)
    with_context = task(takes_context=True)(framework_tasks.plain_with_context)

    assert run(made, 4).return_value == 8
    result = run(with_context)
    assert result.return_value == 1
    assert result.task == with_context


def test_receivers_are_told_once_each_and_in_order(run, signals_sent):
    result = run(add, 1)

    names = [name for name, _, _ in signals_sent]
    assert names == ["task_enqueued", "task_started", "task_finished"]
    assert {sender for _, sender, _ in signals_sent} == {DjangoQBackend}
    assert [told.status for _, _, told in signals_sent] == ["READY", "RUNNING", "SUCCESSFUL"]
    assert {told.id for _, _, told in signals_sent} == {result.id}
    assert [told.attempts for _, _, told in signals_sent] == [0, 1, 1]
    assert signals_sent[2][2].return_value == 1
    assert signals_sent[2][2].finished_at is not None


def test_receivers_of_a_failure_find_the_exception_that_is_handled(run):
    found = []

    def receive(task_result: Any, **kwargs: Any) -> None:
        found.append((task_result.status, task_result.errors[0].exception_class, sys.exc_info()[0]))

    signals.task_finished.connect(receive)

    run(fail)

    assert found == [("FAILED", ValueError, ValueError)]


@pytest.mark.parametrize("name", ["task_enqueued", "task_started", "task_finished"])
def test_a_receiver_that_fails_changes_nothing(run, caplog, name):
    def receive(**kwargs: Any) -> None:
        raise SystemExit("a receiver")

    getattr(signals, name).connect(receive)

    assert run(add, 1).return_value == 1
    assert f"receiver {__name__}.{test_a_receiver_that_fails_changes_nothing.__name__}" in (
        caplog.text
    )


def test_the_log_has_a_line_for_each_state_and_the_traceback(run, caplog):
    caplog.set_level(logging.DEBUG, logger=NAME)

    run(add, 1)
    failed = run(fail)

    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == NAME]
    assert [level for level, _ in lines] == ["DEBUG", "INFO", "INFO", "DEBUG", "INFO", "ERROR"]
    assert lines[-1][1].endswith("state=FAILED")
    assert failed.id in lines[-1][1]
    assert "ValueError: as asked" in caplog.text


def test_an_attempt_that_is_tried_again_is_not_told_as_the_end(
    broker, run_once, signals_sent, conf, wait_until
):
    conf(retry=1)  # seconds until the second attempt
    result = fail.using(max_attempts=2).enqueue()

    def has_ended() -> bool:
        run_once(broker)
        return Task.objects.filter(id=result.id).exists()

    wait_until(has_ended)

    names = [name for name, _, _ in signals_sent]
    assert names == ["task_enqueued", "task_started", "task_started", "task_finished"]
    result.refresh()
    assert result.status == "FAILED"


def test_a_retried_task_has_one_id_and_the_errors_of_all_attempts(
    broker, run_once, signals_sent, wait_until
):
    result = fail.using(retries=1, retry_delay=0).enqueue()
    run_once(broker)
    first_end = timezone.now()
    result.refresh()
    between = (result.status, result.attempts, [e.exception_class for e in result.errors])

    def has_ended() -> bool:
        run_once(broker)
        result.refresh()
        return result.is_finished

    wait_until(has_ended)

    assert between == ("READY", 1, [ValueError])
    assert (result.status, result.attempts) == ("FAILED", 2)
    assert [error.exception_class for error in result.errors] == [ValueError, ValueError]
    assert all(e.traceback.endswith("ValueError: as asked\n") for e in result.errors)
    assert result.enqueued_at <= result.started_at < first_end
    assert first_end <= result.last_attempted_at <= result.finished_at
    told = [each.started_at for name, _, each in signals_sent[1:]]
    assert all(abs(each - result.started_at) < timedelta(milliseconds=50) for each in told)
    names = [name for name, _, _ in signals_sent]
    assert names == ["task_enqueued", "task_started", "task_started", "task_finished"]
    assert [told.attempts for _, _, told in signals_sent] == [0, 1, 2, 2]
    assert len(signals_sent[-1][2].errors) == 2


def test_a_context_tells_of_the_attempt_and_a_success_of_the_errors_before(
    broker, run_once, wait_until
):
    result = framework_tasks.succeed_later.using(retries=2, retry_delay=0).enqueue()

    def has_ended() -> bool:
        run_once(broker)
        result.refresh()
        return result.is_finished

    wait_until(has_ended)

    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 3, 3)
    assert [error.exception_class for error in result.errors] == [ValueError, ValueError]


def test_all_attempts_are_counted_when_the_first_are_forgotten(broker, run_once, wait_until):
    result = framework_tasks.succeed_later.using(retries=13, retry_delay=0).enqueue(attempts=13)

    def has_ended() -> bool:
        run_once(broker)
        result.refresh()
        return result.is_finished

    wait_until(has_ended)

    assert (result.return_value, result.attempts) == (13, 13)
    assert result.worker_ids[-1] == worker_name()


def test_inline_retries_have_their_arguments_and_attempts(broker, conf):
    conf(sync=True)

    result = framework_tasks.succeed_later.using(retries=2, retry_delay=0).enqueue("word")

    assert (result.status, result.return_value, result.args) == ("SUCCESSFUL", 3, ["word"])


def test_what_ends_without_a_worker_is_told_by_the_monitor(broker, run_once, signals_sent, conf):
    result = add.using(expires=0.001).enqueue(1)
    conf(retry=60)

    run_once(broker)

    names = [(name, told.status) for name, _, told in signals_sent]
    assert names == [("task_enqueued", "READY"), ("task_finished", "FAILED")]
    assert signals_sent[1][2].errors[0].exception_class_path == "django_q.exceptions.Expired"
    result.refresh()
    assert (result.status, result.started_at, result.worker_ids) == ("FAILED", None, [])


def test_only_functions_that_may_run_are_called(run, conf):
    conf(functions=["tests.framework_tasks.add", "shop.*"])

    assert run(add, 1).return_value == 1
    conf(functions=["tests.framework_tasks.*"])
    assert permitted("tests.framework_tasks.add", "The function") is add.func


def test_a_function_that_is_refused_fails_at_the_call(broker, conf):
    conf(functions=["shop.*"])

    with pytest.raises(FunctionRefused, match=r"tests.framework_tasks.add"):
        add.enqueue(1)


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_both_serializers_carry_the_calls(run, conf, serializer):
    conf(serializer=serializer)

    result = run(framework_tasks.echo, [1, {"two": 3.5}], name="é\x00")

    assert result.return_value == [[[1, {"two": 3.5}]], {"name": "é\x00"}]
    row = Task.objects.get(id=result.id)
    assert (row.func, row.args) == ("tests.framework_tasks.echo", [[1, {"two": 3.5}]])
    assert row.options == {
        "backend": "default",
        "keep_for": 86400,
        "priority": 7,
        "queue": "mail",
        "track": True,
    }


def test_a_call_with_sync_runs_at_once(broker, conf, signals_sent):
    conf(sync=True)

    result, failed = add.enqueue(1), fail.enqueue()

    assert (result.return_value, failed.status) == (1, "FAILED")
    assert [name for name, _, _ in signals_sent[:3]] == [
        "task_enqueued",
        "task_started",
        "task_finished",
    ]
    with pytest.raises(KeyboardInterrupt):
        interrupt.enqueue()
    assert backend["default"].get_result(result.id) == result
