"""Due times that were missed: caught up with, or left out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.scheduling import due_runs
from tests.integration.scheduling.due_rows import EITHER_BROKER, UTC, ago, make_schedule, taken

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("catch_up", "hours"), [("all", [5.5, 4.5, 3.5, 2.5, 1.5, 0.5]), ("latest", [0.5])]
)
def test_missed_runs_are_caught_up_with_as_asked(broker, catch_up, hours):
    now = datetime.now(UTC)
    make_schedule(
        schedule_type=Schedule.HOURLY,
        next_run=now - timedelta(hours=5.5),
        catch_up=catch_up,
        intended_date_kwarg="due",
    )

    scheduler(broker)

    due = [datetime.fromisoformat(package["kwargs"]["due"]) for package in taken(broker)]
    assert due == [now - timedelta(hours=each) for each in hours]
    assert Schedule.objects.get().next_run > now


def test_missed_runs_are_left_out_where_none_is_asked_for(broker):
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=4, minutes=30), catch_up="none")

    scheduler(broker)

    assert broker.queue_size() == 0
    assert Schedule.objects.get().next_run > datetime.now(UTC)


@EITHER_BROKER
def test_a_flood_of_missed_runs_comes_in_parts_and_is_logged(broker, caplog, monkeypatch):
    monkeypatch.setattr(due_runs, "MAX_MISSED_RUNS", 10)
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=24.5), catch_up="all")

    scheduler(broker)

    assert len({package["id"] for package in taken(broker)}) == 25
    assert sum("has missed more than 10 runs" in message for message in caplog.messages) == 2
