"""Schedules whose calls have options of how a task waits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_q.brokers import get_broker
from django_q.brokers.memory import Memory
from django_q.models import Schedule, Success
from django_q.scheduler import scheduler
from django_q.scheduling.due_runs import run_now
from django_q.scheduling.due_schedules import DueSchedules
from django_q.signing import SignedPackage
from django_q.tasks import async_task, schedule
from tests.integration.scheduling.due_rows import FUNC, ago, make_schedule

pytestmark = pytest.mark.django_db(transaction=True)

MEMORY = pytest.mark.parametrize("broker", ["memory"], indirect=True)


class MemoryOfDatabase(Memory):
    """Says that its queue is in the database of the schedules, to be used as such a one is."""

    alias = "default"


def options(**values: Any) -> str:
    """Write the keyword arguments of a schedule whose calls have options."""
    return str({"q_options": values})


def due_again(row: Schedule) -> Schedule:
    """Make a schedule due once more."""
    row.refresh_from_db()
    Schedule.objects.filter(pk=row.pk).update(next_run=ago(seconds=5))
    row.refresh_from_db()
    return row


@pytest.fixture(params=[Memory, MemoryOfDatabase])
def queue(request, make_broker):
    """Give a broker whose queue is in the schedules' database, and one whose queue is not."""
    make_broker("memory")
    return request.param()


def test_the_options_of_a_schedule_work_at_each_run(queue):
    row = make_schedule(kwargs=options(priority=7, run_after=60, track=True))

    for _ in range(2):
        scheduler(queue)
        due_again(row)

    tasks = queue.list_tasks()
    assert [(task.priority, task.state) for task in tasks] == [(7, "delayed")] * 2
    assert row.task == tasks[-1].task_id


def test_a_schedule_whose_key_is_taken_goes_on_without_a_task(queue):
    other = async_task(FUNC, broker=queue, q_options={"unique": "nightly"})
    row = make_schedule(kwargs=options(unique="nightly"))

    scheduler(queue)

    row.refresh_from_db()
    assert [task.task_id for task in queue.list_tasks()] == [other]
    assert (row.error, row.paused, row.task, row.claimed) == (None, False, None, None)
    assert row.next_run > datetime.now(timezone.utc)


def test_a_run_whose_key_is_taken_does_not_keep_later_ones_from_being_enqueued(queue):
    async_task(FUNC, broker=queue, q_options={"unique": "nightly"})
    row = make_schedule(kwargs=options(unique="nightly"), overlap=Schedule.SKIP)
    scheduler(queue)
    (delivery,) = queue.dequeue(1, 0)
    queue.acknowledge(delivery.ack_id)
    async_task(FUNC, broker=queue)  # so that the queue is not empty

    due_again(row)
    scheduler(queue)

    row.refresh_from_db()
    assert row.task in [task.task_id for task in queue.list_tasks()]


def test_missed_runs_of_one_call_are_one_unique_task(queue):
    row = make_schedule(
        kwargs=options(unique=True), next_run=ago(days=3, seconds=5), catch_up="all", repeats=9
    )

    scheduler(queue)

    row.refresh_from_db()
    assert [task.task_id for task in queue.list_tasks()] == [row.task]
    assert row.repeats == 5


def test_a_run_replaces_the_task_that_waits(queue):
    replaced = async_task("math.sqrt", 4, broker=queue, q_options={"unique": "nightly"})
    row = make_schedule(kwargs=options(unique="nightly", on_duplicate="replace"))

    scheduler(queue)

    (task,) = queue.list_tasks()
    row.refresh_from_db()
    assert (SignedPackage.loads(task.payload)["func"], task.task_id) == (FUNC, replaced)
    assert row.task == replaced


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_options_that_the_broker_does_not_serve_are_the_error_of_that_schedule_alone(broker):
    refused, other = make_schedule(kwargs=options(priority=7)), make_schedule()

    scheduler(broker)

    refused.refresh_from_db()
    other.refresh_from_db()
    assert refused.paused
    assert "does not serve the option 'priority'" in refused.error
    assert (other.error, broker.queue_size()) == (None, 1)


@MEMORY
def test_invalid_options_are_the_error_of_the_schedule(broker):
    row = make_schedule(kwargs=options(priority=700))

    scheduler(broker)

    row.refresh_from_db()
    assert "'priority' must be a whole number from -100 to 100; got 700" in row.error


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_defaults_apply_to_schedules_where_the_broker_serves_them(broker, conf, make_broker):
    conf(priority=7)
    make_schedule()
    scheduler(broker)
    assert broker.queue_size() == 1

    memory = make_broker("memory")
    make_schedule()
    scheduler(memory)
    assert [task.priority for task in memory.list_tasks()] == [7]


@MEMORY
def test_a_schedule_from_code_takes_times_as_they_are(broker):
    until = datetime(2030, 1, 1, tzinfo=timezone.utc)
    schedule(FUNC, q_options={"run_after": timedelta(minutes=1), "expires": until})

    scheduler(broker)

    (task,) = broker.list_tasks()
    assert (task.state, task.expires) == ("delayed", until.timestamp())


@MEMORY
def test_running_now_returns_the_task_that_has_the_key(broker):
    row = make_schedule(kwargs=options(unique="nightly"))

    assert run_now(row) == run_now(row)


@MEMORY
def test_a_run_that_is_repeated_after_a_crash_enqueues_nothing(broker, run_once):
    row = make_schedule(kwargs=options(unique="nightly"))
    (found,) = DueSchedules(broker).read_earliest(1)
    assert len(DueSchedules(broker).enqueue_due_runs(found, datetime.now(timezone.utc))) == 1
    run_once(get_broker())
    async_task(FUNC, q_options={"unique": "nightly", "run_after": 60})
    values = {"next_run": row.next_run, "task": None, "claimed": None}
    Schedule.objects.filter(pk=row.pk).update(**values)  # as if that had not been saved

    scheduler(broker)

    row.refresh_from_db()
    assert row.task == Success.objects.get(func=FUNC).id
    assert len(broker.list_tasks()) == 1
