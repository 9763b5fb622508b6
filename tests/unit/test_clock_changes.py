"""Due times of a wall clock in nights that skip or repeat an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_q import recurrence
from django_q.recurrence import (
    CATCH_UP_ALL,
    CRON,
    DAILY,
    HOURLY,
    Rule,
    due_times,
    next_due,
)
from tests.unit.recurrence_rules import (
    AMSTERDAM,
    LORD_HOWE,
    NEW_YORK,
    UTC,
    following,
    make_rule,
    moments,
    zones,
)

minutes = st.integers(0, 59)
hours = st.integers(0, 23)


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        (AMSTERDAM, "2025-03-29T09:00", ["03-30 09:00+0200", "03-31 09:00+0200"]),
        (AMSTERDAM, "2025-10-25T09:00", ["10-26 09:00+0100", "10-27 09:00+0100"]),
        (NEW_YORK, "2025-03-08T09:00", ["03-09 09:00-0400", "03-10 09:00-0400"]),
        (NEW_YORK, "2025-11-01T09:00", ["11-02 09:00-0500", "11-03 09:00-0500"]),
        (LORD_HOWE, "2025-10-04T09:00", ["10-05 09:00+1100", "10-06 09:00+1100"]),
        (LORD_HOWE, "2025-04-05T09:00", ["04-06 09:00+1030", "04-07 09:00+1030"]),
    ],
)
def test_a_daily_schedule_keeps_its_wall_clock_when_the_clocks_change(zone, start, expected):
    assert following(make_rule(DAILY, start, zone), 2) == expected
    hour = f"{int(start[11:13])}"
    assert following(make_rule(CRON, start, zone, cron=f"0 {hour} * * *"), 2) == expected


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        (AMSTERDAM, "2025-03-29T02:30", ["03-30 03:00+0200", "03-31 02:30+0200"]),
        (NEW_YORK, "2025-03-08T02:30", ["03-09 03:00-0400", "03-10 02:30-0400"]),
        (LORD_HOWE, "2025-10-04T02:15", ["10-05 02:30+1100", "10-06 02:15+1100"]),
    ],
)
def test_a_time_that_a_night_skips_runs_once_right_after_the_gap(zone, start, expected):
    minute = start[14:16]

    assert following(make_rule(DAILY, start, zone), 2) == expected
    assert following(make_rule(CRON, start, zone, cron=f"{minute} 2 * * *"), 2) == expected


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        (AMSTERDAM, "2025-10-25T02:30", ["10-26 02:30+0200", "10-27 02:30+0100"]),
        (NEW_YORK, "2025-11-01T01:30", ["11-02 01:30-0400", "11-03 01:30-0500"]),
        (LORD_HOWE, "2025-04-05T01:45", ["04-06 01:45+1100", "04-07 01:45+1030"]),
    ],
)
def test_a_time_that_a_night_repeats_runs_once(zone, start, expected):
    hour, minute = start[11:13], start[14:16]

    assert following(make_rule(DAILY, start, zone), 2) == expected
    assert following(make_rule(CRON, start, zone, cron=f"{minute} {hour} * * *"), 2) == expected


def test_a_due_time_in_a_repeated_hour_is_known_as_such():
    rule = make_rule(HOURLY, "2025-10-26T02:30")
    first = datetime(2025, 10, 26, 2, 30, tzinfo=AMSTERDAM)
    second = first.replace(fold=1)

    assert due_times(rule, second, first).runs == ()
    assert due_times(rule, first, second, catch_up=CATCH_UP_ALL).runs == (
        datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
        datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
    )
    assert rule.anchored_to(second) == rule


def test_several_cron_times_inside_a_gap_run_once_together():
    rule = make_rule(CRON, "2025-03-29T12:00", cron="0,30 2,3 * * *")

    assert following(rule) == ["03-30 03:00+0200", "03-30 03:30+0200", "03-31 02:00+0200"]


@pytest.mark.parametrize(
    ("zone", "start", "cron", "expected"),
    [
        (AMSTERDAM, "2025-03-30T01:00", "*/30", "01:30+0100 03:00+0200 03:30+0200"),
        (AMSTERDAM, "2025-10-26T02:00", "*/30", "02:30+0200 02:00+0100 02:30+0100 03:00+0100"),
        (NEW_YORK, "2025-11-02T00:00", "0", "01:00-0400 01:00-0500 02:00-0500"),
        (LORD_HOWE, "2025-10-05T01:30", "*/15", "01:45+1030 02:30+1100 02:45+1100"),
        (LORD_HOWE, "2025-04-06T01:30", "*/15", "01:45+1100 01:30+1030 01:45+1030 02:00+1030"),
    ],
)
def test_a_cron_schedule_of_each_hour_goes_on_through_a_clock_change(zone, start, cron, expected):
    rule = make_rule(CRON, start, zone, cron=f"{cron} * * * *")

    times = following(rule, len(expected.split()))

    assert [time.split()[1] for time in times] == expected.split()


@given(moments, zones)
@settings(deadline=None, max_examples=30)
def test_a_daily_schedule_skips_no_day_and_runs_twice_on_none(anchor, zone):
    rule = Rule(DAILY, zone, anchor)
    first = recurrence.wall_clock(anchor, zone).date()

    times = islice(recurrence.series(rule, anchor), 400)

    days = [recurrence.wall_clock(time, zone).date() for time in times]
    assert days == [first + timedelta(days=number) for number in range(400)]


@given(moments, zones, minutes, hours)
@settings(deadline=None, max_examples=30)
def test_a_daily_cron_schedule_skips_no_day_and_runs_twice_on_none(anchor, zone, minute, hour):
    rule = Rule(CRON, zone, anchor, cron=f"{minute} {hour} * * *")
    times = list(islice(recurrence.series(rule, next_due(rule, anchor)), 380))

    days = [recurrence.wall_clock(time, zone).date() for time in times]

    assert days == [days[0] + timedelta(days=number) for number in range(380)]


@given(moments, zones)
@settings(deadline=None, max_examples=30)
def test_the_wall_clock_differs_from_the_anchor_only_right_after_a_gap(anchor, zone):
    rule = Rule(DAILY, zone, anchor)
    clock = recurrence.wall_clock(anchor, zone).time()

    for time in islice(recurrence.series(rule, anchor), 1, 400):
        before, at = (time - timedelta(seconds=1)).astimezone(zone), time.astimezone(zone)
        jumped = before.utcoffset() < at.utcoffset()
        assert jumped or recurrence.wall_clock(time, zone).time() == clock


@given(moments, zones, st.sampled_from(["*/20", "5", "0,59"]))
@settings(deadline=None, max_examples=50)
def test_a_cron_schedule_of_each_hour_never_pauses_for_more_than_an_hour(moment, zone, expression):
    rule = Rule(CRON, zone, moment, cron=f"{expression} * * * *")

    following = next_due(rule, moment)

    # And half an hour where half an hour is skipped.
    assert moment < following <= moment + timedelta(minutes=90)
