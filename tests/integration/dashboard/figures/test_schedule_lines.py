"""Schedules on pages: their next due times, over clock changes too, and their rules in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.dashboard.figures.schedule_lines import (
    next_run_lines,
    next_schedules,
    schedule_line,
)
from django_q.models import Schedule
from tests.integration.admin.rows import make_schedule

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 3, 27, 0, tzinfo=timezone.utc)
#: Half past two in Amsterdam, on the day before that hour is skipped.
BEFORE_GAP = datetime(2027, 3, 27, 1, 30, tzinfo=timezone.utc)


def make(**values: object) -> Schedule:
    """Save a schedule by the clock of Amsterdam."""
    return make_schedule(**{"time_zone": "Europe/Amsterdam", "next_run": BEFORE_GAP, **values})


def test_a_daily_schedule_returns_to_its_time_after_the_gap():
    lines = next_run_lines(make())[:3]

    assert [line["time"] for line in lines] == [
        "2027-03-27 02:30:00",
        "2027-03-28 03:00:00",
        "2027-03-29 02:30:00",
    ]
    assert [line["zone"] for line in lines] == ["CET", "CEST", "CEST"]
    assert [line["clock_change"] for line in lines] == ["", "clock set forward by 1 h 0 min", ""]


def test_a_clock_that_is_set_back_is_told():
    due = datetime(2027, 10, 30, 10, tzinfo=timezone.utc)

    lines = next_run_lines(make(next_run=due))[:2]

    assert lines[1]["clock_change"] == "clock set back by 1 h 0 min"


def test_the_next_ten_are_told_and_those_that_are_overdue_come_first():
    for number in range(12):
        make(name=f"in {number}", next_run=NOW + timedelta(hours=number - 1))
    make(name="paused", paused=True)
    make(name="over", repeats=0)

    lines = next_schedules(NOW)

    assert [line.name for line in lines] == [f"in {number}" for number in range(10)]
    assert [line.is_overdue for line in lines] == [True, *[False] * 9]
    assert [line.distance for line in lines[:3]] == ["1 h 0 min ago", "in 0 s", "in 1 h 0 min"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"schedule_type": Schedule.MINUTES, "minutes": 15}, "Every 15 minutes"),
        ({"schedule_type": Schedule.CRON, "cron": "0 9 * * 1-5"}, "0 9 * * 1-5"),
        ({"schedule_type": Schedule.WEEKLY}, "Weekly"),
    ],
)
def test_a_rule_is_told_in_words(values, text):
    assert schedule_line(make(**values), NOW).rule == text
