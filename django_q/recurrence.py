"""Compute when a schedule runs next, from a rule and a time alone. Times are aware.

All kinds but minutes and hours follow the wall clock of their zone, as people do: a daily run stays
at nine when the clocks change. A wall-clock time that a clock change skips means the end of the
gap; one that a clock change repeats means its first occurrence. A day that a shorter month lacks
means the month's last day, and later steps are counted from the original day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import count, islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django_q.exceptions import DjangoQError
from django_q.foreign_code.optional_packages import croniter
from django_q.text.error_text import short_repr

ONCE = "O"
MINUTES = "I"
HOURLY = "H"
DAILY = "D"
WEEKLY = "W"
BIWEEKLY = "BW"
MONTHLY = "M"
BIMONTHLY = "BM"
QUARTERLY = "Q"
YEARLY = "Y"
CRON = "C"

#: Calendar steps: a unit of arrow, and how many of it.
CALENDAR_STEPS = {
    DAILY: ("days", 1),
    WEEKLY: ("days", 7),
    BIWEEKLY: ("days", 14),
    MONTHLY: ("months", 1),
    BIMONTHLY: ("months", 2),
    QUARTERLY: ("months", 3),
    YEARLY: ("months", 12),
}

#: What to do with due times that have passed: run each, run the latest, or run none.
CATCH_UP_ALL, CATCH_UP_LATEST, CATCH_UP_NONE = "all", "latest", "none"
#: A due time that passed this recently was not missed: it is run now.
ON_TIME_TOLERANCE = timedelta(minutes=1)

#: No present-day clock change sets a clock back further than this.
MAX_FOLD = timedelta(hours=3)
FOLD_OFFSETS = (-MAX_FOLD, timedelta(0), MAX_FOLD)
#: The most characters of a cron expression, as of its column.
MAX_CRON_LENGTH = 100
#: Years within which a cron expression must have a due time: the range that it can name.
MAX_CRON_YEARS = 130
#: Fields for which croniter draws a random number each time it parses: ``R``, ``R(1-5)``, ``R/10``.
RANDOM_CRON_PATTERN = re.compile(r"(?:^|[\s,])r(?:$|[\s,(/])", re.IGNORECASE)
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
UTC = timezone.utc
FIRST_MOMENT, LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class RecurrenceError(DjangoQError, ValueError):
    """Raised when it can not be computed when a schedule runs."""


class CronUnavailable(RecurrenceError, ImportError):
    """Raised when a cron expression is parsed and croniter is not installed."""


@dataclass(frozen=True)
class Rule:
    """The rule by which a schedule's due times are computed."""

    kind: str
    zone: tzinfo
    #: A due time from which the steps are counted.
    anchor: datetime
    #: Minutes between two runs, for ``MINUTES``.
    minutes: int | None = None
    #: The expression, for ``CRON``.
    cron: str | None = None

    def anchored_to(self, due: datetime) -> Rule:
        """Return a rule that counts from ``due``, or this one if ``due`` is one of its due times.

        It is not after somebody has set another time or zone.
        """
        due = due.astimezone(UTC)
        try:
            return self if next_due(self, due - MICROSECOND) == due else replace(self, anchor=due)
        except (RecurrenceError, OverflowError):
            return replace(self, anchor=due)


class Plan(NamedTuple):
    """The due times to run now, and the next one."""

    #: Due times to run, oldest first.
    runs: tuple[datetime, ...]
    #: The due time after them; None when there is none.
    next_run: datetime | None
    #: The due time from which steps are counted, to be saved with ``next_run``.
    anchor: datetime


def time_zone(name: str) -> tzinfo:
    """Find a time zone by its name. Raises ``RecurrenceError``."""
    try:
        return ZoneInfo(name)
    # OSError for the name of a folder of zones.
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise RecurrenceError(
            "A time zone must have a name such as 'Europe/Amsterdam'; "
            f"{short_repr(name)} is not known here."
        ) from error


def due_times(
    rule: Rule,
    due: datetime,
    now: datetime,
    *,
    catch_up: str | bool = CATCH_UP_LATEST,
    limit: int = 100,
) -> Plan:
    """Return the due times from ``due`` on that are to be run at ``now``, and the one after them.

    With ``CATCH_UP_ALL`` there are at most ``limit``, so the next one may have passed as well. A
    rule of one due time is run however late it is. Raises ``RecurrenceError``.
    """
    # Python compares times of one zone by wall clock, which is ambiguous in a repeated hour.
    due, now = due.astimezone(UTC), now.astimezone(UTC)
    if due > now:
        return Plan((), due, rule.anchor)
    if rule.kind == ONCE:
        return Plan((due,), None, rule.anchor)
    if catch_up in (CATCH_UP_ALL, True):
        runs = tuple(islice(takewhile(lambda time: time <= now, series(rule, due)), limit))
    else:
        runs = (latest(rule, due, now),)
    following = next_due(rule, runs[-1])
    if catch_up == CATCH_UP_NONE and now - runs[-1] > ON_TIME_TOLERANCE:
        runs = ()
    return Plan(runs, following, rule.anchor)


def series(rule: Rule, due: datetime) -> Iterator[datetime]:
    """Yield the due times from ``due`` on."""
    time: datetime | None = due
    while time is not None:
        yield time
        time = next_due(rule, time)


def latest(rule: Rule, due: datetime, now: datetime) -> datetime:
    """Find the last due time up to ``now`` by bisection, without computing all since ``due``."""
    end = now
    while end - due > SECOND:
        middle = due + (end - due) / 2
        following = next_due(rule, middle)
        if following is None or following > now:
            end = middle
        else:
            due = following
    return last_until(rule, due, now)


def last_until(rule: Rule, start: datetime, now: datetime) -> datetime:
    """Find the last due time up to ``now`` by computing each from ``start`` on."""
    for time in takewhile(lambda time: time <= now, series(rule, start)):
        start = time
    return start


def next_due(rule: Rule, moment: datetime) -> datetime | None:
    """Find the first due time after ``moment``, in UTC; None when there is none.

    Raises ``RecurrenceError`` when the rule can not be followed.
    """
    moment = moment.astimezone(UTC)
    try:
        if rule.kind == ONCE:
            return rule.anchor if rule.anchor > moment else None
        if rule.kind in (MINUTES, HOURLY):
            return next_interval(rule, moment)
        if rule.kind == CRON:
            return next_cron(rule, moment)
        return next_step(rule, moment)
    except OverflowError as error:
        raise RecurrenceError(f"There is no due time after {moment} in the calendar.") from error


def next_interval(rule: Rule, moment: datetime) -> datetime:
    """Return the next due time of a rule in elapsed time, whatever the clocks show."""
    step = timedelta(minutes=60 if rule.kind == HOURLY else rule.minutes or 0)
    if step <= timedelta(0):
        raise RecurrenceError(f"'minutes' must be a number above 0, got {rule.minutes!r}.")
    anchor = rule.anchor.astimezone(UTC)
    return anchor + step * max(0, (moment - anchor) // step + 1)


def next_step(rule: Rule, moment: datetime) -> datetime:
    """Return the next due time of a rule in calendar steps, counted from its anchor."""
    if rule.kind not in CALENDAR_STEPS:
        raise RecurrenceError(f"{rule.kind!r} is not a schedule type.")
    anchor = rule.anchor.astimezone(UTC)
    if anchor > moment:
        return anchor
    unit, size = CALENDAR_STEPS[rule.kind]
    start = wall_clock(anchor, rule.zone)
    # One step early, as a clock change may be in between.
    first = max(1, distance(start, wall_clock(moment, rule.zone), unit) // size - 1)
    steps = (shifted(start, unit, number * size) for number in count(first))
    return next(time for time in (instant(step, rule.zone) for step in steps) if time > moment)


def distance(start: datetime, end: datetime, unit: str) -> int:
    """Count days, or months regardless of the day, from one wall-clock time to another."""
    if unit == "days":
        return (end - start).days
    return (end.year - start.year) * 12 + end.month - start.month


def shifted(start: datetime, unit: str, number: int) -> datetime:
    """Move a wall-clock time by calendar units; a day that a month lacks becomes its last."""
    import arrow  # for schedules only: it takes 2 MiB, and a tenth of the time to set Django up

    try:
        return arrow.Arrow.fromdatetime(start).shift(**{unit: number}).naive
    except ValueError as error:
        raise OverflowError(str(error)) from error


def next_cron(rule: Rule, moment: datetime) -> datetime | None:
    """Return the next due time of a cron expression; None when its years have passed."""
    expression = rule.cron or ""
    if runs_every_hour(expression):
        return next_of_each_hour(expression, rule.zone, moment)
    walls = cron_wall_times(expression, wall_clock(moment, rule.zone))
    times = (instant(step, rule.zone) for step in walls)
    return next((time for time in times if time > moment), None)


def next_of_each_hour(expression: str, zone: tzinfo, moment: datetime) -> datetime | None:
    """Return the next due time of a cron expression that names no hour.

    It means elapsed time, as with cron itself: an hour that a clock change repeats has its runs
    twice, one that is skipped has none.
    """
    local = wall_clock(moment, zone)
    near_fold = len({(moment + span).astimezone(zone).utcoffset() for span in FOLD_OFFSETS}) > 1
    best = None
    for step in cron_wall_times(expression, local - MAX_FOLD if near_fold else local):
        times = occurrences(step, zone)
        best = min([time for time in times if time > moment] + [best or LAST_MOMENT])
        if step > local and times and times[0] >= best:
            return best
    return best


@lru_cache(maxsize=256)
def check_cron(expression: str) -> None:
    """Raise ``RecurrenceError`` unless an expression has a due time, which may have passed."""
    times = read_cron(expression, datetime(1970, 1, 1))
    try:
        times.get_next()
    except ValueError as error:
        raise RecurrenceError(f"{short_repr(expression)} names no time that will come.") from error


@lru_cache(maxsize=256)
def runs_every_hour(expression: str) -> bool:
    """Return True if a cron expression names no hour."""
    return read_cron(expression).expanded[1] == ["*"]


def read_cron(expression: str, start: datetime | None = None) -> croniter.croniter:
    """Parse a cron expression. Raises ``RecurrenceError``."""
    if croniter is None:
        raise CronUnavailable("Cron schedules need the package croniter: pip install croniter")
    example = f"A cron expression must look like '0 9 * * 1-5', got {short_repr(expression)}"
    if not isinstance(expression, str) or len(expression) > MAX_CRON_LENGTH:
        raise RecurrenceError(f"{example}. It is a text of {MAX_CRON_LENGTH} characters at most.")
    if RANDOM_CRON_PATTERN.search(expression):
        raise RecurrenceError(
            f"{example}. With R its due times would be drawn again each time it is read: "
            "write a number in place of R."
        )
    try:
        return croniter.croniter(
            expression, start, ret_type=datetime, max_years_between_matches=MAX_CRON_YEARS
        )
    # croniter's own errors are ValueErrors; it raises the others for malformed texts.
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise RecurrenceError(f"{example}: {error}") from error


def cron_wall_times(expression: str, start: datetime) -> Iterator[datetime]:
    """Yield the wall-clock times after ``start`` that a cron expression names, until the last."""
    # Whole seconds: croniter computes in floats, which lose fractions of a second.
    times = read_cron(expression, start.replace(microsecond=0))
    while True:
        try:
            step = times.get_next()
        except croniter.CroniterBadDateError:
            check_cron(expression)
            return
        except ValueError as error:
            raise RecurrenceError(
                f"{short_repr(expression)} names no time that will come."
            ) from error
        yield step


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """Convert a moment to the wall-clock time of a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def occurrences(local: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments in UTC at which a wall clock shows a time: none, one or two."""
    moments = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return sorted({moment for moment in moments if wall_clock(moment, zone) == local})


def instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the moment in UTC that a wall-clock time means: see the module's docstring."""
    times = occurrences(local, zone)
    return times[0] if times else end_of_gap(local, zone)


def end_of_gap(local: datetime, zone: tzinfo) -> datetime:
    """Find the moment, to the second, at which a clock skips ``local``."""
    # With the offset from after the change ``local`` is before the change, and vice versa.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(microsecond=0) + SECOND
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // 2 // SECOND * SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
