"""Run what is queued, in the order in which it is due."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import TestCase
from django.utils import timezone

from django_q.exceptions import DjangoQError, TaskCancelled
from django_q.models import Task
from django_q.tasks import (
    async_batch,
    async_chain,
    async_iter,
    async_task,
    cancel,
    fetch,
    queue,
    result,
    result_group,
    schedule,
)
from django_q.testing import TaskFailed, adrain, drain, enqueued, travel
from tests.tasks import hook, hooked, multiply, nothing, raise_error

pytestmark = pytest.mark.django_db

#: When a task has run.
ran_at = []


@pytest.fixture(autouse=True)
def no_times():
    """Forget what ran before."""
    ran_at.clear()


def note_time(fails: bool = False) -> None:
    """Note when it runs."""
    ran_at.append(timezone.now())
    if fails:
        raise ValueError("as asked")


def enqueue_itself() -> None:
    """Go on for ever."""
    async_task(enqueue_itself)


def drain_again() -> None:
    """Drain while it is drained."""
    drain()


def hours_between(times: list) -> list[int]:
    """Return the whole hours from the first time to each."""
    return [round((each - times[0]) / timedelta(hours=1)) for each in times]


def test_nothing_runs_before_it_is_drained():
    with enqueued():
        task_id = async_task(multiply, 2, 3)
        assert fetch(task_id) is None

        (task,) = drain()

        assert (task.id, task.result) == (task_id, 6)
        assert result(task_id) == 6
        assert drain() == []


def test_what_follows_from_a_task_is_done():
    hooked.clear()
    with enqueued():
        group = async_chain([(multiply, (2, 3)), (multiply, (4, 5))])
        iterable = async_iter("math.floor", [1.5, 2.5])
        hooked_id = async_task(multiply, 1, 2, hook=hook, group="one")
        drain()

    assert sorted(result_group(group)) == [6, 20]
    assert result(iterable) == [1, 2]
    assert [task.id for task in hooked] == [hooked_id]
    assert result_group("one") == [2]


def test_tasks_run_by_priority_and_then_in_their_order():
    with enqueued():
        async_task(nothing, task_name="last")
        async_batch([(nothing, (), {"task_name": name}) for name in ("a", "b")], cluster="mail")
        async_task(nothing, task_name="first", q_options={"priority": 5})

        assert [task.name for task in drain()] == ["a", "b", "first", "last"]


def test_a_failure_raises_in_the_end_from_the_exception_of_the_task():
    with enqueued() as tasks:
        async_task(raise_error, "the first")
        async_task(raise_error, "the second")
        async_task(multiply, 2, 3)
        with pytest.raises(TaskFailed, match="2 tasks have failed") as raised:
            drain()

    assert raised.value.tasks == tasks[:2]
    cause = raised.value.__cause__
    assert (type(cause), str(cause)) == (ValueError, "the first")
    assert cause.__traceback__ is not None
    assert tasks[2].result == 6  # all have run


def test_failures_are_collected_where_that_is_asked_for():
    with enqueued():
        async_task(raise_error)

        (task,) = drain(raise_failures=False)

    assert (task.success, str(task.error)) == (False, "as asked")
    assert Task.objects.get().exception == "ValueError"


def test_a_task_is_tried_again_without_a_pause():
    with enqueued():
        before = timezone.now()
        async_task(note_time, fails=True, q_options={"retries": 2, "retry_delay": 3600})

        (task,) = drain(raise_failures=False)

        assert (task.attempts, len(ran_at)) == (3, 3)
        assert timezone.now() - before < timedelta(hours=1)
    assert Task.objects.get().attempt_count == 3


def test_a_retry_waits_for_its_delay_where_that_is_asked_for():
    options = {"retries": 1, "retry_delay": 3600, "retry_jitter": 0}
    with enqueued():
        async_task(note_time, fails=True, q_options=options)

        assert drain(retries=False) == []
        travel(minutes=59)
        assert drain(retries=False) == []
        travel(minutes=2)
        assert len(drain(retries=False, raise_failures=False)) == 1


def test_a_task_that_is_delivered_again_without_end_is_not_repeated_at_once():
    with enqueued():
        async_task(raise_error, ack_failure=False)

        assert drain() == []
        travel(hours=1)
        assert drain() == []


def test_a_task_waits_until_it_is_due():
    with enqueued():
        async_task(note_time, q_options={"run_after": 3600})
        assert drain() == []
        travel(hours=1)

        (task,) = drain()

    assert ran_at[0] >= task.run_after
    assert Task.objects.get().stopped >= task.run_after


def test_time_passes_from_one_due_time_to_the_next():
    options = {"retries": 2, "retry_delay": 3600, "retry_backoff": 1, "retry_jitter": 0}
    with enqueued():
        start = timezone.now()
        async_task(note_time)
        async_task(note_time, q_options={"run_after": 3 * 3600})
        async_task(note_time, fails=True, q_options=options)

        drain(hours=4, raise_failures=False)

        assert hours_between(ran_at) == [0, 0, 1, 2, 3]
        assert hours_between([start, timezone.now()]) == [0, 4]


def test_a_schedule_runs_at_each_due_time():
    schedule(f"{__name__}.note_time", schedule_type="H")
    with enqueued():
        drain(hours=3)

    assert hours_between(ran_at) == [0, 1, 2, 3]


def test_an_expired_task_is_not_run():
    with enqueued():
        async_task(note_time, q_options={"expires": 60})
        travel(minutes=2)
        with pytest.raises(TaskFailed, match="Expired"):
            drain()

    assert ran_at == []


@pytest.mark.parametrize("track", [True, False])
def test_a_cancelled_task_is_not_run_and_is_no_failure(track):
    with enqueued():
        task_id = async_task(note_time, q_options={"track": track})
        cancel(task_id)

        (task,) = drain()

    assert ran_at == []
    assert type(task.error) is TaskCancelled
    assert fetch(task_id).exception == "django_q.exceptions.TaskCancelled"


def test_a_paused_queue_is_left_alone():
    with enqueued():
        queue("test").pause()
        async_task(multiply, 2, 3)
        assert drain() == []
        queue("test").resume()

        assert len(drain()) == 1


def test_tasks_that_never_end_are_given_up():
    with enqueued():
        async_task(enqueue_itself)
        with pytest.raises(DjangoQError, match=r"has run 20 tasks.*enqueue_itself"):
            drain(limit=20)


def test_a_task_can_not_drain():
    with enqueued():
        async_task(drain_again)
        with pytest.raises(TaskFailed, match="drain\\(\\) was called by a task"):
            drain()


class InAnEventLoop(TestCase):
    """Called by asynchronous code."""

    def test_drain_has_the_transaction_of_the_test(self):
        make_row()

        async def work() -> list:
            async_task(count_rows)
            async_task(count_rows_asynchronously)
            return drain()

        with enqueued():
            first, second = asyncio.run(work())

        assert (first.result, second.result) == (1, 2)

    async def test_drain_says_what_to_write_where_it_has_no_connection(self):
        with enqueued(), pytest.raises(DjangoQError, match="await adrain"):
            drain()

    def test_asynchronous_tasks_have_it_as_well(self):
        make_row()
        with enqueued():
            async_task(count_rows_asynchronously)
            (task,) = drain()

        assert task.result == 1
        assert result(async_task(count_rows_asynchronously, sync=True)) == 2

    async def test_adrain_has_the_transaction_of_the_test(self):
        await sync_to_async(make_row)()
        with enqueued():
            async_task(count_rows)
            async_task(count_rows_asynchronously)
            ran = await adrain()

        assert [task.result for task in ran] == [1, 2]


def make_row() -> None:
    """Save the row of a task."""
    now = timezone.now()
    Task.objects.create(id="before", name="before", func="math.sqrt", started=now, stopped=now)


def count_rows() -> int:
    """Count the rows of tasks."""
    assert connection.in_atomic_block
    with transaction.atomic():
        return Task.objects.count()


async def count_rows_asynchronously() -> int:
    """Count them, while it waits."""
    await asyncio.sleep(0)
    return await Task.objects.acount()
