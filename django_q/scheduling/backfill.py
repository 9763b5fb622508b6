"""Enqueue the runs of a schedule for times that were before it, or before a repair."""

from __future__ import annotations

from datetime import date, datetime
from itertools import islice
from typing import Any

from django.db import router

from django_q import recurrence
from django_q.calls.composition import dispatch, options_of
from django_q.conf import Conf
from django_q.exceptions import DjangoQError, PackageError
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.scheduling.rule_times import times_between
from django_q.scheduling.schedules_in_code import as_datetime
from django_q.text.error_text import short_repr
from django_q.wire.package import TaskPackage, new_package

#: The most tasks of one call.
MAX_BACKFILLED_RUNS = 10_000


class TooManyRuns(DjangoQError, ValueError):
    """Raised when a backfill has more runs than are enqueued by one call."""


def backfill(
    schedule: Schedule | str, start: datetime | date | str, end: datetime | date | str
) -> list[str]:
    """Enqueue a task for each time that a schedule's rule names from ``start`` on, before ``end``.

    ``schedule`` is a schedule or its name. Each task gets its own time where the schedule has an
    ``intended_date_kwarg``. A time without a time zone is by the clock of the schedule; a date
    stands for its midnight. The due times of the schedule stay as they are, and neither its
    jitter nor its overlap counts. Returns the ids of the tasks, in the order of the times.

    Raises ``TooManyRuns`` for more than 10,000 before any is enqueued, ``Schedule.DoesNotExist``,
    ``PackageError``, and ``RecurrenceError`` where the rule is invalid.
    """
    if isinstance(schedule, str):
        schedule = schedule_named(schedule)
    if schedule.schedule_type == Schedule.ONCE:
        raise PackageError("A schedule that runs once has no other times. Use run_now().")
    rule = schedule.rule(schedule.next_run or schedule.anchor or schedule.now)
    first, last = (moment_of(value, schedule) for value in (start, end))
    times = list(islice(times_between(rule, first, last), MAX_BACKFILLED_RUNS + 1))
    if len(times) > MAX_BACKFILLED_RUNS:
        raise TooManyRuns(
            f"A backfill may have {MAX_BACKFILLED_RUNS:,} runs, and from {first} to {last} are "
            f"more: the last that fits is at {times[-2]}. Backfill shorter spans one by one."
        )
    calls = [call_of(schedule, time) for time in times]
    return dispatch([package for package, _ in calls], calls[0][1]) if calls else []


def schedule_named(name: str) -> Schedule:
    """Find the oldest schedule of a name. Raises ``Schedule.DoesNotExist``."""
    rows = Schedule.objects.using(router.db_for_write(Schedule))
    found = rows.filter(name=name).order_by("pk").first()
    if found is None:
        raise Schedule.DoesNotExist(f"There is no schedule with the name {short_repr(name)}.")
    return found


def moment_of(value: Any, schedule: Schedule) -> datetime:
    """Convert a bound to a time in UTC, by the clock of the schedule where it has no time zone."""
    try:
        moment = as_datetime(value)
    except (TypeError, ValueError) as error:
        raise PackageError(
            "A bound of a backfill must be a time such as '2026-01-01 10:00', a datetime or a "
            f"date; got {short_repr(value)}."
        ) from error
    if moment.tzinfo is None:
        return recurrence.instant(moment, schedule.zone)
    return aware_utc(moment)


def call_of(schedule: Schedule, time: datetime) -> tuple[TaskPackage, dict[str, Any]]:
    """Make the package of the run at a time, and the options that choose where it goes."""
    args, kwargs = schedule.call(time)
    options, kwargs = options_of(kwargs)
    options["cluster"] = options.get("cluster") or Conf.CLUSTER_NAME
    return new_package(schedule.func, args, kwargs, options), options
