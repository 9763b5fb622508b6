"""The times that rules name, of any span and over clock changes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from django_q import recurrence
from django_q.models import Schedule
from django_q.scheduling.rule_times import coming_times, saved_times, times_between

UTC = timezone.utc
AMSTERDAM = ZoneInfo("Europe/Amsterdam")

pytestmark = pytest.mark.django_db


def local(*parts: int) -> datetime:
    """Make a time by the clock of Amsterdam."""
    return datetime(*parts, tzinfo=AMSTERDAM)


def rule(kind: str, anchor: datetime, **values: object) -> recurrence.Rule:
    """Make a rule by the clock of Amsterdam."""
    return recurrence.Rule(kind, AMSTERDAM, anchor.astimezone(UTC), **values)


def clock(times: object) -> list[str]:
    """Write times as the clock of Amsterdam shows them."""
    return [f"{time.astimezone(AMSTERDAM):%d.%m. %H:%M %Z}" for time in times]


@pytest.mark.parametrize(
    "given",
    [rule("D", local(2026, 11, 1, 2, 30)), rule("C", local(2026, 11, 1), cron="30 2 * * *")],
    ids=["daily", "cron"],
)
def test_days_before_the_first_run_follow_the_clock_over_its_changes(given):
    spring = times_between(given, local(2026, 3, 28), local(2026, 3, 31))
    autumn = times_between(given, local(2026, 10, 24), local(2026, 10, 27))

    assert clock(spring) == ["28.03. 02:30 CET", "29.03. 03:00 CEST", "30.03. 02:30 CEST"]
    assert clock(autumn) == ["24.10. 02:30 CEST", "25.10. 02:30 CEST", "26.10. 02:30 CET"]


@pytest.mark.parametrize(
    "given", [rule("H", local(2026, 11, 1)), rule("I", local(2026, 11, 1), minutes=60),
              rule("C", local(2026, 11, 1), cron="0 * * * *")]
)  # fmt: skip
def test_hours_are_of_elapsed_time(given):
    spring = list(times_between(given, local(2026, 3, 29), local(2026, 3, 30)))
    autumn = list(times_between(given, local(2026, 10, 25), local(2026, 10, 26)))

    assert (len(spring), len(autumn)) == (23, 25)
    assert {after - before for before, after in pairwise(autumn)} == {timedelta(hours=1)}


def test_the_day_that_a_month_lacks_moves_no_month_before_it():
    given = rule("M", local(2026, 5, 31, 9))

    times = times_between(given, local(2025, 12, 1), local(2026, 7, 1))

    assert [f"{time.astimezone(AMSTERDAM):%m-%d}" for time in times] == [
        *("12-31", "01-31", "02-28", "03-31", "04-30", "05-31", "06-30")
    ]


def test_the_start_belongs_to_a_span_and_the_end_does_not():
    given = rule("D", local(2026, 5, 5, 9))

    times = times_between(given, local(2026, 5, 1, 9), local(2026, 5, 3, 9))

    assert clock(times) == ["01.05. 09:00 CEST", "02.05. 09:00 CEST"]


def test_minutes_keep_to_the_steps_of_their_rule():
    given = rule("I", local(2026, 5, 5, 9, 7), minutes=25)

    times = list(times_between(given, local(2026, 5, 5, 7), local(2026, 5, 5, 10)))

    assert clock(times)[0] == "05.05. 07:02 CEST"
    assert (given.anchor in times, len(times)) == (True, 8)


def test_the_years_of_an_expression_may_be_over():
    given = rule("C", local(2026, 5, 5), cron="0 0 1 1 * 0 2020")

    assert list(times_between(given, local(2021, 1, 1), local(2026, 1, 1))) == []


def schedule(**values: object) -> Schedule:
    """Make a schedule that is not saved."""
    return Schedule(func="tests.tasks.echo", **values)


def test_the_next_times_are_to_come_and_those_that_are_left():
    past = datetime(2025, 5, 5, 9, tzinfo=UTC)

    times = coming_times(schedule(schedule_type="D", next_run=past), 5)
    left = coming_times(schedule(schedule_type="C", cron="0 9 * * *", repeats=2), 5)

    assert (len(times), len(left)) == (5, 2)
    assert times[0] > datetime.now(UTC)
    assert coming_times(schedule(schedule_type="D", repeats=0), 5) == []
    assert coming_times(schedule(schedule_type="O", next_run=past), 5) == [past]


def test_the_next_times_of_a_saved_schedule_are_those_that_are_left():
    past = datetime(2025, 5, 5, 9, tzinfo=UTC)
    values = {"func": "tests.tasks.echo", "next_run": past}
    daily = Schedule.objects.create(**values, schedule_type="D", repeats=2)
    once = Schedule.objects.create(**values, schedule_type="O")

    assert saved_times(daily, 10) == [past, past + timedelta(days=1)]
    assert saved_times(once, 10) == [past]
    assert saved_times(schedule(schedule_type="D", next_run=None), 10) == []


def test_an_hour_that_is_repeated_is_named_once_where_no_time_zone_is_stored(settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Amsterdam"
    given = schedule(schedule_type="I", minutes=30, next_run=datetime(2027, 10, 31, 2, 30))

    shown = [f"{time:%H:%M}" for time in saved_times(given, 3)]

    assert shown == ["00:30", "02:00", "02:30"]  # half past two, three, half past three


@pytest.mark.parametrize("values", [{"schedule_type": "I"}, {"schedule_type": "C"},
                                    {"schedule_type": "C", "cron": "x"}])  # fmt: skip
def test_an_invalid_rule_has_no_next_times(values):
    with pytest.raises(recurrence.RecurrenceError):
        coming_times(schedule(**values), 5)
