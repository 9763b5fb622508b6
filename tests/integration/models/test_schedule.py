"""Schedules as rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone as django_timezone

from django_q.models import (
    Schedule,
)
from django_q.models.schedule import database_time
from django_q.recurrence import RecurrenceError
from tests.integration.models.rows import NOW, UTC, make_task

pytestmark = pytest.mark.django_db


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule."""
    values = {"func": "tests.tasks.multiply", "schedule_type": Schedule.DAILY, "next_run": NOW}
    return Schedule.objects.create(**(values | overrides))


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
