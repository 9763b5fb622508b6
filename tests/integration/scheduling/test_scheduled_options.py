"""Schedules whose calls have options of how a task waits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_q.brokers import get_broker
from django_q.brokers.memory import Memory
from django_q.exceptions import PackageError
from django_q.models import Schedule, Success
from django_q.scheduler import scheduler
from django_q.scheduling.due_runs import plan_due_runs, run_now
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


@pytest.mark.parametrize(
    "given",
    [
        *({"retries": 3}, {"retry_delay": 5, "retry_max_delay": 50}, {"retry_on": ["ValueError"]}),
        *({"soft_timeout": 5}, {"timeout": 9}, {"max_attempts": 2}, {"task_name": "report"}),
        *({"save": False}, {"group": "reports"}, {"ack_failure": True}, {"cached": 60}),
        *({"hook": "tests.tasks.hook"}, {"cluster": "long"}),
    ],
    ids=lambda given: next(iter(given)),
)
@MEMORY
def test_an_option_reaches_each_task(broker, given):
    row = make_schedule(kwargs=options(**given))

    package = plan_due_runs(row, datetime.now(timezone.utc)).packages[0]

    found = {"task_name": package["name"], **package}
    assert {name: found[name] for name in given} == given


@MEMORY
def test_the_terms_of_a_task_are_those_of_the_schedule(broker):
    make_schedule(kwargs=options(expires=600, idempotency_key="k", idempotency_for=60))

    scheduler(broker)

    (task,) = broker.list_tasks()
    assert 590 < task.expires - datetime.now(timezone.utc).timestamp() <= 600


@MEMORY
def test_jitter_puts_runs_off_and_leaves_the_rule_as_it_is(broker):
    row = make_schedule(jitter=600, kwargs=options(expires=60), intended_date_kwarg="due")
    due = row.next_run

    scheduler(broker)

    (task,) = broker.list_tasks()
    row.refresh_from_db()
    assert (task.state, row.next_run - due) == ("delayed", timedelta(days=1))
    assert SignedPackage.loads(task.payload)["kwargs"]["due"] == due.isoformat()
    delay = SignedPackage.loads(task.payload)["run_after"]
    assert 0 <= delay <= 600
    assert SignedPackage.loads(task.payload)["expires"] == pytest.approx(delay + 60)


def test_jitter_is_drawn_for_each_run():
    row = make_schedule(schedule_type="H", next_run=ago(hours=20), catch_up="all", jitter=600)

    packages = plan_due_runs(row, datetime.now(timezone.utc)).packages

    assert len({package["run_after"] for package in packages}) > 10


@MEMORY
def test_a_schedule_that_is_run_now_has_no_jitter(broker):
    run_now(make_schedule(jitter=600))

    assert broker.list_tasks()[0].state == "waiting"


@pytest.mark.parametrize(("given", "seconds"), [(90, 90), (timedelta(minutes=2), 120), ("30", 30)])
def test_jitter_from_code_is_among_the_options(given, seconds):
    row = schedule(FUNC, jitter=5, minutes=1, q_options={"jitter": given, "priority": 1})

    assert (row.jitter, row.kwargs) == (seconds, "{'jitter': 5, 'q_options': {'priority': 1}}")


@pytest.mark.parametrize("given", [-1, 86401, "long"])
def test_jitter_is_a_day_at_most(given):
    with pytest.raises(PackageError, match="'jitter' must be a number of seconds from 0 to 86400"):
        schedule(FUNC, minutes=1, q_options={"jitter": given})
