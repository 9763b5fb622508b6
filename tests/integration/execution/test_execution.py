"""Tasks whose values and packages misbehave, executed in one process."""

from __future__ import annotations

import asyncio

import pytest

from django_q import signals
from django_q.exceptions import SoftTimeout
from django_q.execution.execution import execute
from django_q.execution.time_limit import Alarm
from django_q.tasks import async_task, fetch, result
from django_q.wire.package import new_package

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("sync", [False, True])
def test_what_can_not_be_printed_is_a_failure_like_others(broker, run_once, sync):
    task_id = async_task("tests.foreign.raise_unspeakable", sync=sync)
    if not sync:
        run_once(broker)

    assert fetch(task_id).result.startswith("Unspeakable() : its text can not be had: SystemExit")


@pytest.mark.parametrize("sync", [False, True])
def test_a_result_that_can_not_be_pickled_or_printed_is_a_success(broker, run_once, sync):
    task_id = async_task("tests.foreign.return_unpicklable", sync=sync)
    if not sync:
        run_once(broker)

    assert fetch(task_id).success
    assert "stored as text" in fetch(task_id).result
    assert broker.lock_size() == 0


def test_a_package_that_raises_when_it_is_read_is_moved_aside(broker, run_once):
    async_task("tests.tasks.echo", Grim())

    run_once(broker)

    assert broker.dead_size() == 1


class LateAlarm(Alarm):
    """An alarm whose signal comes when the end of a task is being noted."""

    def end_task(self):
        if self.running:
            raise SoftTimeout("Task exceeded its soft time limit")
        super().end_task()


def test_a_failure_at_whose_end_the_alarm_comes_is_that_failure():
    package = new_package("tests.tasks.raise_error", (), {}, {})

    error = execute(package, LateAlarm(lambda: None, 60))

    assert isinstance(error, ValueError)
    assert package["success"] is False


class Grim:
    """An argument that raises when it is read."""

    def __reduce__(self):
        return raise_grimly, ()


def raise_grimly():
    """Raise while a pickle is read."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("signal", ["pre_execute", "post_execute_in_worker"])
def test_what_a_receiver_takes_out_of_a_package_is_put_back(broker, run_once, signal):
    def clear(task, **kwargs):
        task.clear()

    getattr(signals, signal).connect(clear)
    task_id = async_task("math.copysign", 2, -2)
    try:
        run_once(broker)
    finally:
        getattr(signals, signal).disconnect(clear)

    assert result(task_id) == -2
    assert broker.lock_size() == 0
