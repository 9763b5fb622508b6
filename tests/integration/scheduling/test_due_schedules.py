"""Schedules that are due, enqueued by passes in the tests' own process."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_q.brokers import get_broker
from django_q.models import Schedule, Success, Task
from django_q.models.schedule import aware_utc
from django_q.scheduler import scheduler
from django_q.scheduling.due_runs import run_now
from django_q.scheduling.due_schedules import DueSchedules
from tests.integration.scheduling.due_rows import (
    EITHER_BROKER,
    FUNC,
    UTC,
    ago,
    make_schedule,
    taken,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_scheduler_without_schedules_makes_no_queryset(broker, monkeypatch):
    monkeypatch.delattr(DueSchedules, "active")

    with CaptureQueriesContext(connection) as queries:
        scheduler(broker)

    assert len(queries) == 1


@EITHER_BROKER
def test_a_due_schedule_is_enqueued_once_and_advanced(broker):
    schedule = make_schedule(args="1, 'two'", kwargs="a=3")
    due = schedule.next_run

    scheduler(broker)
    scheduler(broker)

    (package,) = taken(broker)
    assert (package["func"], package["args"], package["kwargs"]) == (FUNC, (1, "two"), {"a": 3})
    schedule.refresh_from_db()
    assert schedule.next_run - due >= timedelta(hours=23)
    assert (schedule.task, schedule.claimed) == (package["id"], None)


@EITHER_BROKER
def test_a_scheduled_task_runs(broker, run_once):
    make_schedule(name="doubled", func="tests.tasks.multiply", args="3, 2")

    scheduler(broker)
    run_once(broker)

    success = Success.objects.get()
    assert (success.result, success.group, success.cluster) == (6, "doubled", "test")
    assert Schedule.objects.get().success() is True


def test_what_is_not_due_is_left_alone(broker):
    make_schedule(next_run=ago(hours=-1))
    make_schedule(next_run=None)
    make_schedule(paused=True)
    make_schedule(repeats=0)
    make_schedule(cluster="other")

    scheduler(broker)

    assert broker.queue_size() == 0


def test_it_says_which_schedule_a_task_is_from(broker, caplog):
    schedule = make_schedule()

    with caplog.at_level(logging.INFO, "django-q"):
        scheduler(broker)

    assert f"MainProcess created a task from schedule {schedule.pk} [{FUNC}]" in caplog.messages


@EITHER_BROKER
def test_a_schedule_that_runs_once_is_deleted(broker):
    make_schedule(schedule_type=Schedule.ONCE)

    scheduler(broker)

    assert len(taken(broker)) == 1
    assert not Schedule.objects.exists()


@EITHER_BROKER
def test_a_schedule_that_runs_once_is_kept_where_repeats_are_set(broker):
    schedule = make_schedule(schedule_type=Schedule.ONCE, repeats=1)

    scheduler(broker)
    scheduler(broker)

    assert len(taken(broker)) == 1
    kept = Schedule.objects.get()
    assert (kept.repeats, kept.next_run) == (0, schedule.next_run)


@EITHER_BROKER
def test_a_due_time_that_is_set_again_runs_again(broker):
    schedule = make_schedule(schedule_type=Schedule.ONCE, repeats=1)
    scheduler(broker)

    Schedule.objects.filter(pk=schedule.pk).update(repeats=1)
    scheduler(broker)

    first, second = taken(broker)
    assert first["id"] != second["id"]


def test_repeats_are_counted_down(broker):
    schedule = make_schedule(schedule_type=Schedule.MINUTES, minutes=1, repeats=2)
    for _ in range(3):
        scheduler(broker)
        Schedule.objects.filter(pk=schedule.pk).update(next_run=ago(seconds=5))

    assert len(taken(broker)) == 2
    assert Schedule.objects.get().repeats == 0


def test_missed_runs_end_with_the_repeats(broker):
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=5), repeats=2, catch_up="all")

    scheduler(broker)

    assert len(taken(broker)) == 2
    assert Schedule.objects.get().repeats == 0


@pytest.mark.parametrize(
    ("cluster", "names"),
    [("test", {"", "null", "test"}), ("other", {"other"})],
)
def test_each_cluster_runs_its_own_schedules(broker, conf, cluster, names):
    for name, value in {"null": None, "": "", "test": "test", "other": "other"}.items():
        make_schedule(name=name, cluster=value, args=repr(name))
    conf(cluster_name=cluster)
    own = get_broker()

    scheduler(own)

    assert {package["args"][0] for package in taken(own)} == names
    own.delete_queue()


def test_a_task_goes_to_the_queue_that_its_options_name(broker):
    make_schedule(kwargs="q_options={'cluster': 'other'}")

    scheduler(broker)

    other = get_broker("other")
    assert [package["cluster"] for package in taken(other)] == ["other"]
    other.delete_queue()


def test_options_of_the_task_are_honoured(broker):
    options = {"task_name": "nightly", "timeout": 7, "group": "own", "hook": "tests.tasks.hook"}
    make_schedule(kwargs=str({"x": 1, "q_options": options}))

    scheduler(broker)

    (package,) = taken(broker)
    assert package["kwargs"] == {"x": 1}
    assert (package["name"], package["timeout"], package["group"]) == ("nightly", 7, "own")
    assert package["hook"] == "tests.tasks.hook"


@pytest.mark.parametrize("name", ["nightly", None])
def test_the_group_is_the_name_or_the_id(broker, name):
    schedule = make_schedule(name=name, hook="tests.tasks.hook")

    scheduler(broker)

    (package,) = taken(broker)
    assert package["group"] == (name or str(schedule.pk))
    assert package["hook"] == "tests.tasks.hook"


def test_a_task_is_told_when_it_was_due(broker):
    schedule = make_schedule(intended_date_kwarg="due")

    scheduler(broker)

    assert taken(broker)[0]["kwargs"] == {"due": schedule.next_run.isoformat()}


@EITHER_BROKER
def test_running_one_now_changes_no_due_time(broker):
    schedule = make_schedule(next_run=ago(days=-1), args="1", intended_date_kwarg="due")

    task_id = run_now(schedule)

    (package,) = taken(broker)
    assert (package["id"], package["args"]) == (task_id, (1,))
    assert "due" in package["kwargs"]
    now = Schedule.objects.get()
    assert (now.task, now.next_run, now.repeats) == (task_id, schedule.next_run, -1)


def test_running_one_now_waits_for_the_transaction(broker):
    schedule = make_schedule(next_run=ago(days=-1))

    with transaction.atomic():
        run_now(schedule, broker)
        assert broker.queue_size() == 0

    assert broker.queue_size() == 1


def test_tasks_run_at_once_where_sync_is_set(broker, conf):
    conf(sync=True)
    make_schedule(func="tests.tasks.multiply", args="3, 2")

    scheduler(broker)

    assert Task.objects.get().result == 6
    assert broker.queue_size() == 0


@EITHER_BROKER
@override_settings(USE_TZ=False)
def test_times_without_a_zone_do_not_loop(broker):
    connection.close()  # its time zone is set when it is made
    make_schedule(
        schedule_type=Schedule.MINUTES, minutes=5, next_run=datetime.now() - timedelta(minutes=12)
    )

    scheduler(broker)
    scheduler(broker)

    assert len(taken(broker)) == 1
    assert aware_utc(Schedule.objects.get().next_run) > datetime.now(UTC)
    connection.close()
