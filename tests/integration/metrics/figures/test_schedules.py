"""Metrics of schedules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.metrics.figures.schedules import schedule_families
from django_q.models import Task
from tests.integration.admin.rows import make_schedule

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 3, 27, tzinfo=timezone.utc)


@pytest.mark.parametrize("use_tz", [True, False])
def test_overdue_and_paused_schedules_are_counted(values, settings, use_tz):
    settings.USE_TZ = use_tz
    settings.TIME_ZONE = "UTC"
    zone = timezone.utc if use_tz else None
    for minutes in (-90, -2, 5):
        due = (NOW + timedelta(minutes=minutes)).replace(tzinfo=zone)
        make_schedule(next_run=due, error="no such module" if minutes == -2 else None)
    make_schedule(next_run=NOW.replace(tzinfo=zone) - timedelta(days=1), paused=True)

    found = schedule_families(NOW)

    assert values(found, "schedules") == {"active": 3, "paused": 1}
    assert values(found, "schedules_overdue") == {"": 2}
    assert values(found, "schedule_longest_overdue_seconds") == {"": 5400}
    assert values(found, "schedules_with_error") == {"": 1}
    assert values(found, "schedule_last_run_timestamp_seconds") == {}


def test_the_last_run_is_that_of_the_latest_task(values):
    for number, minutes in enumerate((60, 5), 1):
        task_id, began = str(number) * 32, NOW - timedelta(minutes=minutes)
        Task.objects.create(id=task_id, func="f", started=began, stopped=began, success=True)
        make_schedule(task=task_id)

    found = schedule_families(NOW)

    latest = (NOW - timedelta(minutes=5)).timestamp()
    assert values(found, "schedule_last_run_timestamp_seconds") == {"": latest}


def test_without_schedules_nothing_is_overdue(values):
    found = schedule_families(NOW)

    assert values(found, "schedules_overdue") == {"": 0}
    assert values(found, "schedule_longest_overdue_seconds") == {"": 0}
