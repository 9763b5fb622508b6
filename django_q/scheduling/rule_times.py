"""The times that a rule names: those to come, and those of any span, before its first run too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, islice, takewhile

from django_q import recurrence
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc, next_storable_due
from django_q.models.schedule_fields.next_run_changes import check_rule, first_due


def coming_times(schedule: Schedule, limit: int) -> list[datetime]:
    """List the next due times of a rule that is being given, in UTC; none where it runs no more.

    Its ``next_run`` is where it is to begin, so an expression may name a later time.

    Raises ``RecurrenceError`` when its rule is invalid.
    """
    check_rule(schedule)
    now = aware_utc(schedule.now)
    due = aware_utc(schedule.next_run or now)
    if schedule.schedule_type == Schedule.CRON:
        due = aware_utc(first_due(schedule, due, now))
    elif due <= now and schedule.schedule_type != Schedule.ONCE:
        due = recurrence.next_due(schedule.rule(due), now) or due
    return list(islice(due_times(schedule.rule(due), due), runs_left(schedule, limit)))


def saved_times(schedule: Schedule, limit: int) -> list[datetime]:
    """List the next due times of a saved schedule, from its ``next_run`` on, in UTC.

    Fewer where its runs or its rule end. Raises ``RecurrenceError`` when its rule is invalid.
    """
    if schedule.next_run is None:
        return []
    times = due_times(schedule.rule(schedule.next_run), aware_utc(schedule.next_run))
    return list(islice(times, runs_left(schedule, limit)))


def runs_left(schedule: Schedule, limit: int) -> int:
    """Return how many runs are left of a schedule, ``limit`` at most."""
    return limit if schedule.repeats < 0 else min(limit, schedule.repeats)


def due_times(rule: recurrence.Rule, due: datetime | None) -> Iterator[datetime]:
    """Yield the due times of a rule from ``due`` on, as the database can tell them apart."""
    while due is not None:
        yield due
        due = next_storable_due(rule, recurrence.next_due(rule, due), due)


def times_between(rule: recurrence.Rule, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times that a rule names from ``start`` on and before ``end``, in UTC.

    They are those of a rule that always was: its anchor may be later. Raises ``RecurrenceError``.
    """
    start, end = start.astimezone(recurrence.UTC), end.astimezone(recurrence.UTC)
    if rule.kind in recurrence.CALENDAR_STEPS:
        times = calendar_times(rule, start)
    else:
        times = later_times(with_earlier_anchor(rule, start), start)
    return takewhile(lambda time: time < end, times)


def later_times(rule: recurrence.Rule, start: datetime) -> Iterator[datetime]:
    """Yield the due times of a rule from ``start`` on."""
    first = recurrence.next_due(rule, start - recurrence.MICROSECOND)
    return recurrence.series(rule, first) if first else iter(())


def with_earlier_anchor(rule: recurrence.Rule, start: datetime) -> recurrence.Rule:
    """Move the anchor of a rule in elapsed time by whole steps, until it is before ``start``."""
    if rule.kind not in (recurrence.MINUTES, recurrence.HOURLY) or rule.anchor <= start:
        return rule
    step = timedelta(minutes=60 if rule.kind == recurrence.HOURLY else rule.minutes or 1)
    return replace(rule, anchor=rule.anchor - step * ((rule.anchor - start) // step + 1))


def calendar_times(rule: recurrence.Rule, start: datetime) -> Iterator[datetime]:
    """Yield the times of a rule in calendar steps from ``start`` on, counted from its anchor.

    The number of a step is negative before the anchor, so that a day which a month lacks does not
    move those before it.
    """
    unit, size = recurrence.CALENDAR_STEPS[rule.kind]
    anchor = recurrence.wall_clock(rule.anchor, rule.zone)
    begin = recurrence.wall_clock(start, rule.zone)
    # One step early, as a clock change may be in between.
    first = recurrence.distance(anchor, begin, unit) // size - 1
    walls = (recurrence.shifted(anchor, unit, number * size) for number in count(first))
    times = (recurrence.instant(wall, rule.zone) for wall in walls)
    return (time for time in times if time >= start)
