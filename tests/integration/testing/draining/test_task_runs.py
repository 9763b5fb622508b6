"""A task runs in a test as in a worker."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from decimal import Decimal

import pytest
from django.utils import timezone

from django_q.exceptions import SoftTimeout, TimeoutException
from django_q.models import Task
from django_q.signals import post_execute, pre_execute
from django_q.tasks import async_task, current_task, fetch
from django_q.testing import TaskFailed, drain, enqueued, travel
from tests.tasks import echo, multiply, raise_system_exit, sleep_for, speak_german, unpicklable

pytestmark = pytest.mark.django_db


def interrupt() -> None:
    """End as by a Ctrl-C."""
    raise KeyboardInterrupt


def seconds_left() -> float:
    """Return how long it may still run."""
    return (current_task.deadline - timezone.now()).total_seconds()


async def double(number: int) -> int:
    """Return a product."""
    return 2 * number


async def sleep_asynchronously() -> None:
    """Take too long."""
    await asyncio.sleep(10)


def catch_soft_timeout() -> str:
    """Notice that the time is nearly over."""
    try:
        time.sleep(10)
    except SoftTimeout:
        return "soon"
    return "late"


def iterate_and_fail_once() -> list:
    """Go on behind the items that are done."""
    done = []
    for item in current_task.iterate([1, 2, 3]):
        if item == 2 and current_task.attempt == 1:
            raise ValueError("once")
        done.append(item)
    return done


def own_id() -> tuple:
    """Tell what a task knows of itself."""
    current_task.progress(1, 2)
    return current_task.id, current_task.attempt, current_task.is_cancelled


def test_arguments_and_results_travel_as_on_a_broker():
    argument = [Decimal(1)]
    with enqueued():
        async_task(list.append, argument, 2)
        async_task(unpicklable)
        plain, odd = drain()

    assert argument == [Decimal(1)]
    assert plain.success
    assert "can not carry it" in odd.result


def test_what_can_not_travel_is_refused_by_the_call():
    with enqueued() as tasks:
        with pytest.raises(ValueError, match="can not be sent to a worker"):
            async_task(echo, threading.Lock())
        assert tasks == []


def test_json_is_heeded(conf):
    conf(serializer="json")
    with enqueued():
        async_task(echo, (1, 2))
        (task,) = drain()

    assert task.args == ([1, 2],)


def test_a_task_knows_itself():
    with enqueued():
        task_id = async_task(own_id)
        (task,) = drain()

    assert task.result == (task_id, 1, False)


def test_the_deadline_of_a_task_is_by_the_clock_of_the_test():
    with enqueued():
        travel(days=1)
        async_task(seconds_left, timeout=60)

        assert 30 < drain()[0].result <= 60


def test_a_coroutine_is_run():
    with enqueued():
        async_task(double, 4)

        assert drain()[0].result == 8


def test_a_loop_goes_on_where_it_was():
    with enqueued():
        async_task(iterate_and_fail_once, q_options={"retries": 1})

        assert drain()[0].result == [2, 3]


def test_a_task_ends_at_its_time_limit_and_the_timer_of_the_test_goes_on():
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with enqueued():
            async_task(sleep_for, 10, timeout=0.05)
            async_task(sleep_asynchronously, timeout=0.05)
            async_task(catch_soft_timeout, timeout=10, q_options={"soft_timeout": 0.05})
            ended, cancelled, caught = drain(raise_failures=False)

        assert type(ended.error) is type(cancelled.error) is TimeoutException
        assert caught.result == "soon"
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_task_leaves_the_language_alone():
    from django.utils import translation

    with enqueued(), translation.override("fr"):
        async_task(speak_german)
        drain()

        assert translation.get_language() == "fr"


def test_the_exit_of_a_task_is_a_failure():
    with enqueued():
        async_task(raise_system_exit)
        with pytest.raises(TaskFailed, match="SystemExit"):
            drain()


def test_a_ctrl_c_is_raised_when_the_task_is_completed():
    with enqueued():
        task_id = async_task(interrupt)
        with pytest.raises(KeyboardInterrupt):
            drain()

    assert fetch(task_id).success is False


def test_signals_are_sent():
    told = []

    def note(sender: str, signal: object, **kwargs: object) -> None:
        told.append(sorted(kwargs))

    for each in (pre_execute, post_execute):
        each.connect(note)
    try:
        with enqueued():
            async_task(multiply, 2, 3)
            drain()
    finally:
        for each in (pre_execute, post_execute):
            each.disconnect(note)

    assert told == [["func", "task"], ["task"]]


def test_a_task_that_is_not_to_be_saved_leaves_no_row():
    with enqueued():
        async_task(multiply, 2, 3, save=False)

        assert drain()[0].result == 6
    assert Task.objects.count() == 0
