"""Due times over clock changes, month ends and missed time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_q import recurrence
from django_q.recurrence import (
    BIMONTHLY,
    BIWEEKLY,
    CALENDAR_STEPS,
    CATCH_UP_ALL,
    CATCH_UP_LATEST,
    CATCH_UP_NONE,
    CRON,
    DAILY,
    HOURLY,
    MINUTES,
    MONTHLY,
    ONCE,
    QUARTERLY,
    WEEKLY,
    YEARLY,
    RecurrenceError,
    Rule,
    due_times,
    next_due,
)

UTC = timezone.utc
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NEW_YORK = ZoneInfo("America/New_York")
#: Moves its clocks by half an hour.
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = (AMSTERDAM, NEW_YORK, LORD_HOWE)


def make_rule(kind: str, start: str, zone: ZoneInfo = AMSTERDAM, **options: Any) -> Rule:
    """Make a rule whose first due time is at a wall-clock time."""
    anchor = datetime.fromisoformat(start).replace(tzinfo=zone)
    return Rule(kind, zone, anchor, **options)


def following(rule: Rule, number: int = 3) -> list[str]:
    """List the due times after the first, as the clock of the zone shows them."""
    times = islice(recurrence.series(rule, rule.anchor), 1, number + 1)
    return [time.astimezone(rule.zone).strftime("%m-%d %H:%M%z") for time in times]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (HOURLY, "2025-05-05T10:30"),
        (DAILY, "2025-05-06T09:30"),
        (WEEKLY, "2025-05-12T09:30"),
        (BIWEEKLY, "2025-05-19T09:30"),
        (MONTHLY, "2025-06-05T09:30"),
        (BIMONTHLY, "2025-07-05T09:30"),
        (QUARTERLY, "2025-08-05T09:30"),
        (YEARLY, "2026-05-05T09:30"),
    ],
)
def test_each_type_has_its_step(kind, expected):
    rule = make_rule(kind, "2025-05-05T09:30")

    assert next_due(rule, rule.anchor) == datetime.fromisoformat(expected).replace(tzinfo=AMSTERDAM)


def test_a_schedule_by_the_minute_counts_elapsed_time():
    rule = make_rule(MINUTES, "2025-03-30T01:50", minutes=20)

    assert following(rule, 2) == ["03-30 03:10+0200", "03-30 03:30+0200"]


def test_an_hourly_schedule_runs_in_both_passes_of_a_repeated_hour():
    rule = make_rule(HOURLY, "2025-10-26T01:30")

    assert following(rule) == ["10-26 02:30+0200", "10-26 02:30+0100", "10-26 03:30+0100"]


def test_once_has_nothing_after_it():
    rule = make_rule(ONCE, "2025-05-05T09:30")

    assert next_due(rule, rule.anchor) is None


@pytest.mark.parametrize("minutes", [None, 0, -5])
def test_a_schedule_by_the_minute_without_minutes_is_refused(minutes):
    rule = make_rule(MINUTES, "2025-05-05T09:30", minutes=minutes)

    with pytest.raises(RecurrenceError, match="'minutes' must be a number above 0"):
        next_due(rule, rule.anchor)


def test_an_unknown_type_is_refused():
    with pytest.raises(RecurrenceError, match="'X' is not a schedule type"):
        next_due(make_rule("X", "2025-05-05T09:30"), datetime.now(UTC))


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


def test_the_thirty_first_stays_the_thirty_first_where_there_is_one():
    rule = make_rule(MONTHLY, "2025-01-31T09:00")

    days = [time[:5] for time in following(rule, 7)]

    assert days == ["02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31"]


def test_a_leap_day_comes_back_in_a_leap_year():
    rule = make_rule(YEARLY, "2024-02-29T09:00")

    assert [time[:5] for time in following(rule, 4)] == ["02-28", "02-28", "02-28", "02-29"]


def test_a_due_time_that_was_moved_by_hand_is_counted_from():
    rule = make_rule(MONTHLY, "2025-01-31T09:00")
    moved = datetime(2025, 3, 5, 10, tzinfo=AMSTERDAM)

    assert following(rule.anchored_to(moved), 1) == ["04-05 10:00+0200"]


def test_a_due_time_cut_off_by_a_month_keeps_its_anchor():
    rule = make_rule(MONTHLY, "2025-01-31T09:00")
    due = datetime(2025, 2, 28, 9, tzinfo=AMSTERDAM)

    assert rule.anchored_to(due) == rule


@pytest.mark.parametrize(
    "expression",
    ["", "every day", "* * *", "61 * * * *", "0 0 30 2 *", "* * * * * * * * *", "\x00"],
)
def test_a_cron_expression_that_names_no_time_is_refused(expression):
    with pytest.raises(RecurrenceError):
        recurrence.check_cron(expression)


@given(st.text(alphabet="0123456789*/,-#LW?@hrR jandecmonsun", max_size=20) | st.text(max_size=8))
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_cron_expression_or_refused(text):
    with suppress(RecurrenceError):
        recurrence.check_cron(text)


def test_cron_without_croniter_says_what_to_install(monkeypatch):
    monkeypatch.setattr(recurrence, "croniter", None)

    with pytest.raises(ImportError, match="pip install croniter"):
        recurrence.check_cron("* * * * *")


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "", "Europe", "../etc/passwd", "\x00", None, 3]
)
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(RecurrenceError, match="Europe/Amsterdam"):
        recurrence.time_zone(name)


def test_nothing_is_run_before_it_is_due():
    rule = make_rule(DAILY, "2025-05-05T09:00")

    plan = due_times(rule, rule.anchor, rule.anchor - timedelta(seconds=1))

    assert (plan.runs, plan.next_run) == ((), rule.anchor)


@pytest.mark.parametrize("catch_up", [CATCH_UP_ALL, CATCH_UP_LATEST, CATCH_UP_NONE, True, False])
def test_a_due_time_that_was_not_missed_is_run_once(catch_up):
    rule = make_rule(DAILY, "2025-05-05T09:00")

    plan = due_times(rule, rule.anchor, rule.anchor + timedelta(seconds=2), catch_up=catch_up)

    assert plan.runs == (rule.anchor,)
    assert plan.next_run == rule.anchor + timedelta(days=1)


@pytest.mark.parametrize(
    ("catch_up", "days"), [(CATCH_UP_ALL, [5, 6, 7, 8]), (True, [5, 6, 7, 8]),
                           (CATCH_UP_LATEST, [8]), (False, [8]), (CATCH_UP_NONE, [])]
)  # fmt: skip
def test_missed_due_times_are_caught_up_with_as_asked(catch_up, days):
    rule = make_rule(DAILY, "2025-05-05T09:00")
    now = datetime(2025, 5, 8, 12, tzinfo=AMSTERDAM)

    plan = due_times(rule, rule.anchor, now, catch_up=catch_up)

    assert [run.day for run in plan.runs] == days
    assert plan.next_run == datetime(2025, 5, 9, 9, tzinfo=AMSTERDAM)


@pytest.mark.parametrize("cron", ["*/10 * * * *", "0 3 * * *", "0 9 * * 1", "0 0 29 2 *"])
@pytest.mark.parametrize("catch_up", [CATCH_UP_ALL, CATCH_UP_LATEST])
def test_cron_is_caught_up_with_as_well(cron, catch_up):
    rule = make_rule(CRON, "2025-04-20T00:00", cron=cron)
    now = datetime(2025, 5, 8, 12, 5, tzinfo=AMSTERDAM)

    plan = due_times(rule, rule.anchor, now, catch_up=catch_up, limit=10**6)

    assert plan.runs[-1] <= now < plan.next_run
    assert next_due(rule, plan.runs[-1]) == plan.next_run


def test_a_flood_of_missed_due_times_comes_in_portions_and_none_is_lost():
    rule = make_rule(MINUTES, "2025-05-05T09:00", minutes=1)
    now = rule.anchor + timedelta(minutes=24)

    first = due_times(rule, rule.anchor, now, catch_up=CATCH_UP_ALL, limit=10)
    second = due_times(rule, first.next_run, now, catch_up=CATCH_UP_ALL, limit=100)

    assert len(first.runs) == 10
    assert len(first.runs + second.runs) == len(set(first.runs + second.runs)) == 25


@pytest.mark.parametrize("catch_up", [CATCH_UP_ALL, CATCH_UP_LATEST, CATCH_UP_NONE])
def test_what_runs_once_runs_however_late(catch_up):
    rule = make_rule(ONCE, "2025-05-05T09:00")

    plan = due_times(rule, rule.anchor, rule.anchor + timedelta(days=40), catch_up=catch_up)

    assert (plan.runs, plan.next_run) == ((rule.anchor,), None)


def test_the_end_of_the_calendar_is_an_error_and_no_loop():
    rule = make_rule(YEARLY, "9999-05-05T09:00")

    with pytest.raises(RecurrenceError, match="calendar"):
        next_due(rule, rule.anchor)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
zones = st.sampled_from(ZONES)
minutes = st.integers(0, 59)
hours = st.integers(0, 23)


@given(moments, moments, zones, st.sampled_from([*CALENDAR_STEPS, HOURLY, MINUTES]))
@settings(deadline=None)
def test_due_times_strictly_increase(anchor, moment, zone, kind):
    rule = Rule(kind, zone, anchor, minutes=7)

    times = list(islice(recurrence.series(rule, next_due(rule, moment)), 10))

    assert times[0] > moment
    assert times == sorted(set(times))


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


@given(
    moments,
    st.timedeltas(timedelta(0), timedelta(days=900)),
    zones,
    st.sampled_from([*CALENDAR_STEPS]),
)
@settings(deadline=None)
def test_the_latest_due_time_is_the_last_of_all(anchor, passed, zone, kind):
    rule = Rule(kind, zone, anchor)

    latest = due_times(rule, anchor, anchor + passed, catch_up=CATCH_UP_LATEST)
    everything = due_times(rule, anchor, anchor + passed, catch_up=CATCH_UP_ALL, limit=1000)

    assert latest.runs[-1] == everything.runs[-1]
    assert latest.next_run == everything.next_run


@given(moments, zones, st.sampled_from(["*/20", "5", "0,59"]))
@settings(deadline=None, max_examples=50)
def test_a_cron_schedule_of_each_hour_never_pauses_for_more_than_an_hour(moment, zone, expression):
    rule = Rule(CRON, zone, moment, cron=f"{expression} * * * *")

    following = next_due(rule, moment)

    # And half an hour where half an hour is skipped.
    assert moment < following <= moment + timedelta(minutes=90)
