"""Schedules under the clock of a test."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.conf import Conf
from django_q.models import Schedule
from django_q.tasks import schedule
from django_q.testing import drain, enqueued, travel

pytestmark = pytest.mark.django_db


def queue_name() -> str:
    """Return the name of the queue of the cluster that runs this, and its time limit."""
    return f"{Conf.CLUSTER_NAME} {Conf.TIMEOUT}"


def test_a_schedule_runs_when_it_is_due():
    tomorrow = timezone.now() + timedelta(days=1)
    with enqueued():
        row = schedule("math.sqrt", 4, schedule_type=Schedule.DAILY, next_run=tomorrow)
        assert drain() == []
        travel(days=1)

        (task,) = drain()

    row.refresh_from_db()
    assert (task.result, row.task) == (2.0, task.id)
    assert row.next_run == tomorrow + timedelta(days=1)


def test_a_schedule_that_is_made_in_the_future_begins_there():
    with enqueued():
        travel(days=3)
        row = schedule("math.sqrt", 4, schedule_type=Schedule.DAILY)

        assert len(drain()) == 1
        row.refresh_from_db()
        assert row.next_run > timezone.now()


@pytest.mark.parametrize(("catch_up", "count"), [("latest", 1), ("all", 4), ("none", 0)])
def test_due_times_that_passed_are_caught_up_as_the_settings_say(conf, catch_up, count):
    conf(catch_up=catch_up)
    schedule("math.sqrt", 4, schedule_type=Schedule.HOURLY)
    with enqueued():
        travel(hours=3, minutes=30)

        assert len(drain()) == count


def test_schedules_of_all_queues_run_as_in_their_clusters(conf):
    conf(ALT_CLUSTERS={"mail": {"timeout": 7, "orm": "default"}})
    name = f"{__name__}.queue_name"
    schedule(name, name="own")
    schedule(name, name="other", cluster="mail")
    with enqueued():
        ran = drain()

    assert {task.queue: task.result for task in ran} == {"test": "test None", "mail": "mail 7"}


def test_schedules_may_be_left_out():
    schedule("math.sqrt", 4)
    with enqueued():
        assert drain(schedules=False) == []
        assert drain(hours=1, schedules=False) == []


def test_a_schedule_that_can_not_run_does_not_stop_the_time():
    Schedule.objects.create(func="math.sqrt", args="(", schedule_type=Schedule.HOURLY)
    with enqueued():
        assert drain(days=1) == []

    assert Schedule.objects.get().paused
