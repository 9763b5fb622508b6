"""Schedules of huey: its periodic tasks, which are functions with a decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils.module_loading import autodiscover_modules, import_string

from django_q.importing.found import FoundSchedule, NotImportable, cron

#: A rule is a function of a time, which is tried with times of these years: a leap year is one.
FIRST_DAY, DAYS = datetime(2027, 1, 1), 730
#: The values of each field of an expression.
ALL_MINUTES, ALL_HOURS, ALL_MONTH_DAYS, ALL_MONTHS = (
    range(60),
    range(24),
    range(1, 32),
    range(1, 13),
)
ALL_WEEKDAYS = range(7)


def find() -> Iterator[FoundSchedule | tuple[str, NotImportable]]:
    """List the periodic tasks in the modules ``tasks`` of the project's apps."""
    huey = import_string("huey.contrib.djhuey.HUEY")
    autodiscover_modules("tasks")
    for task in huey._registry.periodic_tasks:
        path = f"{type(task).__module__}.{task.name}"
        try:
            note = "remove huey's decorator from it, or each run is a task of huey"
            yield FoundSchedule(path, path, fields=cron(expression(task)), notes=[note])
        except NotImportable as error:
            yield path, error


def expression(task: Any) -> str:
    """Find the cron expression of a rule. Raises NotImportable where it has none.

    The rule is a function without any text, so it is asked about times. In an expression the parts
    of a time do not depend on each other: those that are taken at one time make the whole.
    """
    applies: Callable[[datetime], bool] = task.validate_datetime
    days = [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]
    first = first_time(applies, days)
    minutes = [minute for minute in ALL_MINUTES if applies(first.replace(minute=minute))]
    hours = [hour for hour in ALL_HOURS if applies(first.replace(hour=hour))]
    at = {"hour": first.hour, "minute": first.minute}
    found = [day for day in days if applies(day.replace(**at))]
    months = sorted({day.month for day in found})
    weekdays = sorted({day.isoweekday() % 7 for day in found})
    month_days = sorted({day.day for day in found})
    if len(weekdays) < len(ALL_WEEKDAYS) and len(month_days) < len(ALL_MONTH_DAYS):
        raise NotImportable("days of the month and of the week together mean either in cron")
    if not holds(applies, days, minutes, hours, found):
        raise NotImportable("its rule is no cron expression")
    return " ".join(
        part(values, everything)
        for values, everything in (
            (minutes, ALL_MINUTES),
            (hours, ALL_HOURS),
            (month_days, ALL_MONTH_DAYS),
            (months, ALL_MONTHS),
            (weekdays, ALL_WEEKDAYS),
        )
    )


def first_time(applies: Callable[[datetime], bool], days: list[datetime]) -> datetime:
    """Find the first minute at which a rule applies. Raises NotImportable."""
    for day in days:
        for minute in range(1440):
            if applies(moment := day + timedelta(minutes=minute)):
                return moment
    raise NotImportable("its rule applies at no time of two years")


def holds(
    applies: Callable[[datetime], bool],
    days: list[datetime],
    minutes: list[int],
    hours: list[int],
    found: list[datetime],
) -> bool:
    """Return True if a rule applies at just the times of an expression, as far as it is tried."""
    dates = {day.date() for day in found}
    times = [(hour, minute) for hour in ALL_HOURS for minute in ALL_MINUTES]
    for number, day in enumerate(days):
        hour, minute = times[number * 7 % len(times)]
        for each in (
            day.replace(hour=hour, minute=minute),
            day.replace(hour=hours[0], minute=minutes[0]),
        ):
            expected = each.date() in dates and each.hour in hours and each.minute in minutes
            if bool(applies(each)) != expected:
                return False
    return True


def part(values: list[int], everything: range) -> str:
    """Write a part of an expression."""
    return "*" if len(values) == len(everything) else ",".join(map(str, values))
