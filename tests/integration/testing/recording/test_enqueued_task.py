"""What a test sees of a task."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.tasks import async_chain, async_task
from django_q.testing import drain, enqueued
from tests.framework_tasks import echo
from tests.tasks import multiply, raise_error


def test_a_task_has_what_its_call_said():
    argument = [1]
    with enqueued() as tasks:
        task_id = async_task(
            *(multiply, argument, 3),
            task_name="product",
            cluster="mail",
            group="today",
            q_options={"priority": 5, "run_after": timedelta(minutes=1)},
        )
        argument.append(2)

    (task,) = tasks
    assert (task.id, task.name, task.func) == (task_id, "product", "tests.tasks.multiply")
    assert (task.args, task.kwargs, task.queue) == (([1], 3), {}, "mail")
    assert (task.options["group"], task.options["priority"]) == ("today", 5)
    assert task.run_after - task.enqueued_at == timedelta(minutes=1)
    assert (task.success, task.has_ended, task.attempts) == (None, False, 0)


def test_run_after_is_a_time_or_none():
    due = datetime(2090, 1, 2, tzinfo=timezone.utc)
    with enqueued() as tasks:
        async_task(multiply, 2, 3)
        async_task(multiply, 2, 3, q_options={"run_after": due})

    assert [task.run_after for task in tasks] == [None, due]
    assert "run_after 2090-01-02 00:00:00 UTC" in repr(tasks[1])


def test_the_first_link_of_a_chain_carries_the_others():
    with enqueued() as tasks:
        async_chain([(multiply, (2, 3)), (raise_error, ())])

    assert [(task.func, len(task.options["chain"])) for task in tasks] == [
        ("tests.tasks.multiply", 1)
    ]


@pytest.mark.django_db
def test_tasks_of_djangos_framework_are_seen_as_well():
    with enqueued() as tasks:
        result = echo.enqueue(1, key=[2])
        drain()
        result.refresh()

    (task,) = tasks
    assert (task.id, task.func) == (result.id, "tests.framework_tasks.echo")
    assert (task.args, task.kwargs) == ((1,), {"key": [2]})
    assert result.return_value == [[1], {"key": [2]}]


@pytest.mark.django_db
def test_a_task_tells_how_it_has_ended():
    with enqueued() as tasks:
        async_task(multiply, 2, 3)
        async_task(raise_error)
        drain(raise_failures=False)

    assert [(task.success, task.attempts) for task in tasks] == [(True, 1), (False, 1)]
    assert tasks[0].result == 6
    assert type(tasks[1].error) is ValueError
    assert "failed: ValueError('as asked')" in repr(tasks[1])
