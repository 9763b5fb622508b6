"""Read schedules where some may not be readable: no row keeps the others from being run."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DataError
from django.db.models import QuerySet

from django_q.models import Schedule

#: What a schedule raises that can not be understood, or whose row can not be read.
SCHEDULE_ERRORS = (ValueError, TypeError, AttributeError, ArithmeticError, DataError)


def read_schedules(
    rows: QuerySet[Schedule], limit: int, on_unreadable: Callable[[Schedule, Exception], object]
) -> list[Schedule]:
    """Read up to ``limit`` rows, one by one where one of them can not be read.

    ``give_up`` gets a schedule that can not be read, with no more than its id and function.
    """
    try:
        return list(rows[:limit])
    except SCHEDULE_ERRORS:
        found = list(rows.values_list("pk", "func")[:limit])
    schedules = []
    for pk, func in found:
        try:
            schedules += rows.filter(pk=pk)
        except SCHEDULE_ERRORS as error:
            on_unreadable(Schedule(pk=pk, func=func, next_run=None), error)
    return schedules
