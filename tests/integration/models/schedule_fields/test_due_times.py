"""Due times in a project without time zones."""

from __future__ import annotations

from datetime import datetime

import pytest

from django_q.models import (
    Schedule,
)
from django_q.models.schedule import aware_utc, database_time
from tests.integration.models.rows import NOW, UTC

pytestmark = pytest.mark.django_db


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
