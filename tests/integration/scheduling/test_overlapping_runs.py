"""A run that is skipped while the one before has not ended."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import pytest

from django_q.models import Schedule, Task
from django_q.scheduler import scheduler
from django_q.scheduling.due_schedules import DueSchedules
from django_q.tasks import async_task
from tests.integration.scheduling.due_rows import EITHER_BROKER, UTC, ago, make_schedule, taken

pytestmark = pytest.mark.django_db(transaction=True)


@EITHER_BROKER
def test_a_run_is_skipped_while_the_one_before_waits(broker, caplog):
    schedule = overlapping(broker)

    with caplog.at_level(logging.INFO, "django-q"):
        scheduler(broker)

    assert broker.queue_size() == 1
    schedule.refresh_from_db()
    assert schedule.next_run > datetime.now(UTC)
    assert any("skips a run" in message for message in caplog.messages)


@EITHER_BROKER
def test_a_run_is_skipped_while_the_one_before_runs(broker):
    overlapping(broker)
    broker.dequeue(wait=0)

    scheduler(broker)

    assert broker.queue_size() == 0


@EITHER_BROKER
@pytest.mark.parametrize("options", [{}, {"save_limit": -1}, {"cached": True}, {"save_limit": 1}])
def test_a_run_is_not_skipped_when_the_one_before_has_ended(broker, conf, run_once, options):
    conf(**options)
    overlapping(broker)
    run_once(broker)
    async_task("tests.tasks.nothing", broker=broker)
    run_once(broker)
    async_task("tests.tasks.nothing", broker=broker)  # the queue is never empty

    scheduler(broker)

    assert broker.queue_size() == 2


@EITHER_BROKER
def test_a_run_is_not_skipped_when_the_one_before_was_deleted(broker):
    overlapping(broker)
    broker.delete_queue()

    scheduler(broker)

    assert broker.queue_size() == 1


def test_an_end_that_comes_before_the_schedule_is_advanced_counts(broker, run_once, monkeypatch):
    advance = DueSchedules.advance

    def advance_late(*args: Any) -> bool:
        run_once(broker)
        Task.objects.all().delete()
        async_task("tests.tasks.nothing", broker=broker)
        return advance(*args)

    make_schedule(overlap="skip")
    with monkeypatch.context() as patch:
        patch.setattr(DueSchedules, "advance", advance_late)
        scheduler(broker)
    Schedule.objects.update(next_run=ago(seconds=5))

    scheduler(broker)

    assert broker.queue_size() == 2


def test_one_of_several_missed_runs_is_enough_where_they_would_overlap(broker):
    make_schedule(
        schedule_type=Schedule.HOURLY, next_run=ago(hours=9), catch_up="all", overlap="skip"
    )

    scheduler(broker)

    assert len(taken(broker)) == 1


def overlapping(broker: Any) -> Schedule:
    """Make a schedule whose task is queued and that is due again."""
    schedule = make_schedule(overlap="skip")
    scheduler(broker)
    Schedule.objects.update(next_run=ago(seconds=5))
    return schedule
