"""Finished tasks, schedules and the queue of the ORM broker as rows."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone as django_timezone

from django_q.models import (
    Failure,
    Heartbeat,
    OrmQ,
    Schedule,
    Success,
    Task,
    validate_cron,
    validate_kwarg,
)
from django_q.models.schedule import aware_utc, database_time
from django_q.recurrence import RecurrenceError
from django_q.signing import SignedPackage

pytestmark = pytest.mark.django_db

UTC = timezone.utc
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2025, 5, 5, 9, tzinfo=UTC)


def make_task(**overrides: Any) -> Task:
    """Save a task that succeeded."""
    values = {
        "id": uuid4().hex,
        "name": "four-human-words-here",
        "func": "tests.tasks.multiply",
        "started": NOW,
        "stopped": NOW + timedelta(seconds=1.5),
        "success": True,
    }
    return Task.objects.create(**(values | overrides))


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule."""
    values = {"func": "tests.tasks.multiply", "schedule_type": Schedule.DAILY, "next_run": NOW}
    return Schedule.objects.create(**(values | overrides))


def make_queued(package: Any, **overrides: Any) -> OrmQ:
    """Queue a package."""
    return OrmQ.objects.create(key="test", payload=SignedPackage.dumps(package), **overrides)


@pytest.mark.parametrize("value", [None, 6, "text", {"a": [1]}, b"\x00", make_task, Task])
def test_any_picklable_value_is_stored_and_read(value):
    make_task(result=value, args=(value,), kwargs={"value": value})

    task = Task.objects.get()

    assert (task.result, task.args, task.kwargs) == (value, (value,), {"value": value})


@pytest.mark.parametrize(
    "pickled", ["gAJdcQAoSwFLAmUu", "KGxwMApJMQphSTIKYS4=", "gASVCQAAAAAAAABdlChLAUsCZS4="]
)
def test_results_of_older_pickle_protocols_are_read(pickled):
    task = make_task()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET result = %s", [pickled])

    task.refresh_from_db()

    assert task.result == [1, 2]


def test_a_stored_value_is_not_copied_first():
    class Uncopyable:
        def __deepcopy__(self, memo: dict) -> None:
            raise AssertionError("copied")

        def __reduce__(self) -> tuple:
            return int, (7,)

    make_task(result=Uncopyable())

    assert Task.objects.get().result == 7


def test_a_task_is_found_by_its_id_and_by_its_name():
    task = make_task(result=6)

    assert Task.get_task(task.id) == Task.get_task(task.name) == task
    assert Task.get_result(task.id) == Task.get_result(task.name) == 6


def test_a_task_that_is_not_there_is_none():
    assert Task.get_task("x" * 32) is Task.get_task("x") is Task.get_result("x") is None


def test_a_name_as_long_as_an_id_is_found():
    task = make_task(name="n" * 32)

    assert Task.get_task("n" * 32) == task


def test_a_group_is_read_with_and_without_failures():
    good = make_task(group="g", result=6)
    bad = make_task(group="g", result="ValueError", success=False)
    make_task(group="other", result=7)

    assert list(Task.get_result_group("g")) == list(good.group_result()) == [6]
    assert set(Task.get_result_group("g", failures=True)) == {6, "ValueError"}
    assert set(Task.get_task_group("g")) == {good, bad}
    assert list(Task.get_task_group("g", failures=False)) == [good]
    assert Task.get_group_count("g") == good.group_count() == 2
    assert Task.get_group_count("g", failures=True) == good.group_count(failures=True) == 1


def test_deleting_a_group_takes_its_label_off():
    task = make_task(group="g")

    Task.delete_group("g")

    assert Task.objects.get(id=task.id).group is None


def test_deleting_a_group_with_its_tasks_leaves_the_others():
    other = make_task(group="other")
    task = make_task(group="g")

    task.group_delete(tasks=True)

    assert list(Task.objects.all()) == [other]


def test_a_task_without_a_group_has_no_group_to_ask():
    task = make_task()

    assert task.group_result() is task.group_count() is task.group_delete() is None
    assert Task.objects.count() == 1


def test_a_task_tells_its_time_its_result_and_its_name():
    task = make_task(result="x" * 200)

    assert task.time_taken() == 1.5
    assert task.short_result == "x" * 100
    assert str(task) == task.name
    assert str(Task(id="a" * 32)) == "a" * 32


def test_proxies_and_their_managers_tell_success_from_failure():
    good, bad = make_task(), make_task(success=False)

    assert [task.pk for task in Success.objects.all()] == [good.pk]
    assert [task.pk for task in Failure.objects.all()] == [bad.pk]


def test_tasks_come_latest_first():
    early = make_task(stopped=NOW)
    late = make_task(stopped=NOW + timedelta(hours=1))

    assert list(Task.objects.all()) == [late, early]


def test_a_schedule_tells_its_next_run():
    schedule = make_schedule(next_run=datetime(2025, 3, 29, 9, tzinfo=AMSTERDAM))

    following = schedule.calculate_next_run()

    assert following == datetime(2025, 3, 30, 9, tzinfo=AMSTERDAM)
    assert schedule.calculate_next_run(following) == datetime(2025, 3, 31, 9, tzinfo=AMSTERDAM)


def test_a_schedule_goes_by_its_own_time_zone():
    schedule = make_schedule(
        time_zone="America/New_York", next_run=datetime(2025, 3, 8, 14, tzinfo=UTC)
    )

    assert schedule.calculate_next_run() == datetime(2025, 3, 9, 13, tzinfo=UTC)


def test_a_schedule_goes_by_the_time_zone_of_the_configuration(conf):
    conf(time_zone="America/New_York")
    schedule = make_schedule(next_run=datetime(2025, 3, 8, 14, tzinfo=UTC))

    assert schedule.calculate_next_run() == datetime(2025, 3, 9, 13, tzinfo=UTC)


def test_an_anchor_brings_the_thirty_first_back():
    schedule = make_schedule(
        schedule_type=Schedule.MONTHLY, next_run=datetime(2025, 1, 31, 9, tzinfo=UTC)
    )
    days = []

    for _ in range(4):
        plan = schedule.plan(now=schedule.next_run)
        schedule.next_run, schedule.anchor = (
            database_time(plan.next_run),
            database_time(plan.anchor),
        )
        schedule.save()
        schedule.refresh_from_db()
        days.append((schedule.next_run.month, schedule.next_run.day))

    assert days == [(2, 28), (3, 31), (4, 30), (5, 31)]


def test_a_plan_follows_the_option_of_the_schedule_before_that_of_the_cluster(conf):
    conf(catch_up="none")
    now = NOW + timedelta(days=2, hours=3)

    assert len(make_schedule().plan(now).runs) == 0
    assert len(make_schedule(catch_up="latest").plan(now).runs) == 1
    assert len(make_schedule(catch_up="all").plan(now).runs) == 3


def test_a_new_cron_schedule_is_due_when_its_expression_says_so():
    schedule = Schedule.objects.create(func="f", schedule_type=Schedule.CRON, cron="0 0 1 1 *")

    local = schedule.next_run.astimezone(AMSTERDAM)
    assert (local.month, local.day, local.hour) == (1, 1, 0)
    assert schedule.next_run > django_timezone.now()


def test_a_saved_cron_schedule_keeps_its_next_run():
    schedule = Schedule.objects.create(func="f", schedule_type=Schedule.CRON, cron="0 0 1 1 *")

    schedule.next_run = NOW
    schedule.save()

    assert Schedule.objects.get().next_run == NOW


def test_a_schedule_that_can_not_be_understood_says_so():
    schedule = make_schedule(time_zone="Europe/Atlantis")

    with pytest.raises(RecurrenceError, match="Europe/Atlantis"):
        schedule.plan(NOW)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("cron", {"schedule_type": "C"}),
        ("cron", {"schedule_type": "C", "cron": "every day"}),
        ("minutes", {"schedule_type": "I"}),
        ("time_zone", {"time_zone": "Europe/Atlantis"}),
        ("intended_date_kwarg", {"intended_date_kwarg": "not a name"}),
        ("args", {"args": "open('file')"}),
        ("kwargs", {"kwargs": "a=open('file')"}),
        ("kwargs", {"kwargs": "1, 2"}),
        ("catch_up", {"catch_up": "some"}),
        ("overlap", {"overlap": "some"}),
    ],
)
def test_a_schedule_that_can_not_work_is_not_valid(field, values):
    schedule = Schedule(**({"func": "f", "schedule_type": Schedule.DAILY} | values))

    with pytest.raises(ValidationError) as caught:
        schedule.full_clean()

    assert list(caught.value.error_dict) == [field]


@pytest.mark.parametrize("value", ["class", "1a", "a-b", "", "a b"])
def test_what_can_not_name_an_argument_is_refused(value):
    with pytest.raises(ValidationError):
        validate_kwarg(value)


def test_what_can_name_an_argument_or_a_time_is_accepted():
    assert validate_kwarg("due") is validate_cron("*/5 9-17 * * 1-5") is None


def test_a_schedule_tells_how_its_last_task_ended():
    task = make_task(success=False)

    assert make_schedule(task=task.id).success() is False
    assert make_schedule().success() is None
    assert make_schedule(task="gone").success() is None


def test_a_schedule_links_to_its_last_task(client):
    task = make_task(success=False)

    assert f"/failure/{task.id}/change/" in make_schedule(task=task.id).last_run()
    assert make_schedule(task="gone").last_run() == "gone"
    assert make_schedule().last_run() is None


def test_without_time_zones_a_repeated_hour_makes_no_loop(settings):
    settings.USE_TZ = False
    schedule = Schedule(func="f", schedule_type=Schedule.HOURLY)
    schedule.next_run = datetime(2025, 10, 26, 0, 30)
    times = []

    for _ in range(4):
        schedule.next_run = schedule.calculate_next_run()
        times.append(schedule.next_run)

    assert [(time.hour, time.tzinfo) for time in times] == [
        (1, None),
        (2, None),
        (3, None),
        (4, None),
    ]


def test_without_time_zones_a_plan_is_not_due_again_in_a_repeated_hour(settings):
    settings.USE_TZ = False
    schedule = Schedule(func="f", schedule_type=Schedule.HOURLY)
    schedule.next_run = datetime(2025, 10, 26, 0, 30)
    now = datetime(2025, 10, 26, 1, 15, tzinfo=UTC)  # 02:15, for the second time

    plan = schedule.plan(now)

    assert [database_time(run) for run in plan.runs] == [datetime(2025, 10, 26, 2, 30)]
    assert database_time(plan.next_run) == datetime(2025, 10, 26, 3, 30)


def test_without_time_zones_times_are_read_in_that_of_the_project(settings):
    settings.USE_TZ = False

    assert aware_utc(datetime(2025, 5, 5, 11)) == NOW
    assert database_time(NOW) == datetime(2025, 5, 5, 11)


def test_a_queued_task_tells_what_it_is():
    package = {"id": "a" * 32, "name": "n", "func": "f", "args": (1,), "kwargs": {"b": 2}}
    queued = make_queued(package | {"started": NOW, "group": "g", "hook": "h"})

    assert (queued.task_id(), queued.name(), queued.func()) == ("a" * 32, "n", "f")
    assert (queued.args(), queued.kwargs(), queued.group()) == ((1,), {"b": 2}, "g")
    assert queued.q_options() == {"hook": "h", "started": NOW}
    assert str(queued) == f"test #{queued.pk}"


def test_a_queued_task_that_is_not_ours_tells_why():
    queued = OrmQ.objects.create(key="test", payload="junk")

    assert queued.task == {"id": "*BadSignature"}
    assert queued.func() is queued.args() is queued.group() is None


def test_heartbeats_are_rows():
    Heartbeat.objects.create(key="k", value="v", expires=NOW)

    assert str(Heartbeat.objects.get()) == "k"
