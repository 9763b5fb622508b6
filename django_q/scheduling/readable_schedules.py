"""Read schedules of which some can not be read: such a row does not keep others from running."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DataError
from django.db.models import QuerySet

from django_q.models import Schedule

#: What an invalid schedule raises, or one whose row can not be read.
SCHEDULE_ERRORS = (ValueError, TypeError, AttributeError, ArithmeticError, DataError)


def read_schedules(
    rows: QuerySet[Schedule], limit: int, on_unreadable: Callable[[Schedule, Exception], object]
) -> list[Schedule]:
    """Read up to ``limit`` rows, one by one where one of them can not be read.

    ``on_unreadable`` is called with a schedule that can not be read, of which only the id and the
    function are known, and with the error.
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
