"""Rows of django-celery-beat, imported from its own tables."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from django.utils.timezone import now

from django_q.models import Schedule
from tests.importing.runs import qimport

pytestmark = pytest.mark.django_db

REPORT = "tests.importing.shop.tasks.report"


@pytest.fixture
def periodic_task():
    """Make rows of django-celery-beat."""
    from django_celery_beat.models import PeriodicTask

    def make(name, **fields):
        return PeriodicTask.objects.create(**{"name": name, "task": "sales.report", **fields})

    return make


@pytest.fixture
def interval():
    """Make intervals of django-celery-beat."""
    from django_celery_beat.models import IntervalSchedule

    return lambda every, period: IntervalSchedule.objects.create(every=every, period=period)


def test_a_crontab_keeps_its_zone_and_its_arguments(periodic_task):
    from django_celery_beat.models import CrontabSchedule

    at_nine = CrontabSchedule.objects.create(
        minute="0", hour="9", day_of_week="1-5", timezone="America/New_York"
    )
    periodic_task("each morning", crontab=at_nine, args="[2026]", kwargs=json.dumps({"copies": 2}))

    assert "each morning: imported" in qimport("celery-beat")

    schedule = Schedule.objects.get(name="each morning")
    assert (schedule.func, schedule.cron, schedule.time_zone) == (
        REPORT, "0 9 * * 1-5", "America/New_York"
    )  # fmt: skip
    assert (schedule.args, schedule.kwargs) == ("(2026,)", "{'copies': 2}")
    assert schedule.next_run.astimezone(timezone.utc).weekday() < 5


def test_an_interval_goes_on_where_it_was(periodic_task, interval):
    last = now() - timedelta(minutes=20)
    periodic_task("each half hour", interval=interval(30, "minutes"), last_run_at=last)

    qimport("celery-beat")

    schedule = Schedule.objects.get(name="each half hour")
    assert (schedule.schedule_type, schedule.minutes) == (Schedule.MINUTES, 30)
    assert schedule.next_run == last + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("every", "period", "kind", "minutes"),
    [(1, "days", Schedule.DAILY, None), (7, "days", Schedule.WEEKLY, None),
     (2, "hours", Schedule.MINUTES, 120), (120, "seconds", Schedule.MINUTES, 2)],
)  # fmt: skip
def test_intervals_have_the_type_that_means_the_same(
    periodic_task, interval, every, period, kind, minutes
):
    periodic_task("again", interval=interval(every, period))

    qimport("celery-beat")

    schedule = Schedule.objects.get()
    assert (schedule.schedule_type, schedule.minutes) == (kind, minutes)


def test_one_time_and_what_is_disabled(periodic_task, interval):
    from django_celery_beat.models import ClockedSchedule

    moment = datetime(2040, 1, 1, 12, tzinfo=timezone.utc)
    clocked = ClockedSchedule.objects.create(clocked_time=moment)
    periodic_task("once", clocked=clocked, one_off=True)
    periodic_task("sleeps", interval=interval(5, "minutes"), enabled=False)

    qimport("celery-beat")

    assert Schedule.objects.get(name="once").next_run == moment
    assert Schedule.objects.get(name="once").schedule_type == Schedule.ONCE
    assert Schedule.objects.get(name="sleeps").paused


def test_what_can_not_be_said_is_left_out_with_the_reason(periodic_task, interval):
    periodic_task("too often", interval=interval(10, "seconds"))
    periodic_task("lost", interval=interval(5, "minutes"), task="no.such.task")

    told = qimport("celery-beat")

    assert "too often: left out: an interval of 10.0 seconds is no whole number" in told
    assert "lost: left out: no task of Celery has the name no.such.task" in told
    assert "2 schedules were found" in told
    assert not Schedule.objects.exists()


def test_a_rehearsal_stores_nothing_and_a_second_run_doubles_nothing(periodic_task, interval):
    periodic_task("again", interval=interval(5, "minutes"), queue="mail")

    assert "again: would be imported" in qimport("celery-beat", "--dry-run")
    assert not Schedule.objects.exists()
    assert "a cluster has to serve the queue mail" in qimport("celery-beat")
    assert "again: there already" in qimport("celery-beat")
    assert Schedule.objects.get().cluster == "mail"
