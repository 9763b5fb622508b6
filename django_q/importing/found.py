"""A schedule of another task queue, and what becomes of it here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DatabaseError, router, transaction
from django.utils.module_loading import import_string

from django_q.exceptions import DjangoQError
from django_q.models import Schedule
from django_q.recurrence import RecurrenceError
from django_q.scheduling.schedules_in_code import GIVEN_FIELDS, make_schedule

#: The longest interval of minutes, and the two that have types of their own.
MAX_INTERVAL_MINUTES = 32767
TYPES_BY_MINUTES = {1440: Schedule.DAILY, 10080: Schedule.WEEKLY}


class NotImportable(Exception):
    """Raised when a schedule can not be said here; its text is the reason."""


@dataclass
class FoundSchedule:
    """A schedule that another task queue has."""

    name: str
    func: str
    args: Iterable[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    #: What is known of its rule and its state, by the fields of ``Schedule``.
    fields: dict[str, Any] = field(default_factory=dict)
    #: What its owner has to know or to do.
    notes: list[str] = field(default_factory=list)

    def store(self, is_rehearsal: bool) -> str:
        """Make a schedule of it, or only say what would be made. Returns what became of it.

        Raises NotImportable.
        """
        if Schedule.objects.filter(name=self.name).exists():
            return "there already"
        check_function(self.func)
        args, kwargs = tuple(self.args), dict(self.kwargs)
        fields = dict.fromkeys(GIVEN_FIELDS) | self.fields | {"name": self.name}
        try:
            with transaction.atomic(router.db_for_write(Schedule)):
                make_schedule(self.func, args, kwargs, fields)
                transaction.set_rollback(is_rehearsal, router.db_for_write(Schedule))
        except (DjangoQError, DatabaseError, ValueError, TypeError, RecurrenceError) as error:
            raise NotImportable(str(error)) from error
        return "would be imported" if is_rehearsal else "imported"


def check_function(path: str) -> None:
    """Raise NotImportable unless a dotted path leads to a function."""
    try:
        import_string(path)
    except Exception as error:  # a module may raise anything
        raise NotImportable(f"{path} can not be imported: {error}") from error


def every(seconds: float) -> dict[str, Any]:
    """Return the fields of a rule that repeats after some seconds. Raises NotImportable."""
    minutes = seconds / 60
    if minutes in TYPES_BY_MINUTES:
        return {"schedule_type": TYPES_BY_MINUTES[int(minutes)]}
    if minutes != int(minutes) or not 0 < minutes <= MAX_INTERVAL_MINUTES:
        raise NotImportable(
            f"an interval of {seconds} seconds is no whole number of minutes up to "
            f"{MAX_INTERVAL_MINUTES}"
        )
    return {"schedule_type": Schedule.MINUTES, "minutes": int(minutes)}


def cron(expression: str, time_zone: str | None = None) -> dict[str, Any]:
    """Return the fields of a rule that is a cron expression."""
    return {"schedule_type": Schedule.CRON, "cron": expression, "time_zone": time_zone}


def once(moment: datetime) -> dict[str, Any]:
    """Return the fields of a rule that is one time."""
    return {"schedule_type": Schedule.ONCE, "next_run": moment}


#: What finds the schedules of a task queue. Gives those that can be said here, and for each that
#: can not its name and the reason.
Finder = Callable[[], Iterable["FoundSchedule | tuple[str, NotImportable]"]]
