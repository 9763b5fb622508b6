"""Due times: the step of each type, month ends, cron expressions and missed time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

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
from tests.unit.recurrence_rules import (
    AMSTERDAM,
    UTC,
    following,
    make_rule,
    moments,
    zones,
)


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


@given(moments, moments, zones, st.sampled_from([*CALENDAR_STEPS, HOURLY, MINUTES]))
@settings(deadline=None)
def test_due_times_strictly_increase(anchor, moment, zone, kind):
    rule = Rule(kind, zone, anchor, minutes=7)

    times = list(islice(recurrence.series(rule, next_due(rule, moment)), 10))

    assert times[0] > moment
    assert times == sorted(set(times))


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
