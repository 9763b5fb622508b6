"""Compatibility: django-q2's module of small functions that projects have come to use."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from django_q.servers.connections import close_old as close_old_django_connections
from django_q.text.function_names import dotted_name

__all__ = [
    "add_months",
    "add_years",
    "close_old_django_connections",
    "get_func_repr",
    "localtime",
]

Day = TypeVar("Day", bound=date)


def add_months(d: Day, months: int) -> Day:
    """Move a date, or a datetime, by months; a day that the month lacks becomes its last."""
    year, month = divmod(d.year * 12 + d.month - 1 + months, 12)
    day = min(d.day, monthrange(year, month + 1)[1])
    return d.replace(year=year, month=month + 1, day=day)


def add_years(d: Day, years: int) -> Day:
    """Move a date, or a datetime, by years; the 29th of February becomes the 28th."""
    return add_months(d, years * 12)


def get_func_repr(func: str | Callable) -> str:
    """Return the dotted path from which a function is imported."""
    return dotted_name(func)


def localtime(value: datetime | None = None) -> datetime:
    """Convert a time, or now, to the project's time zone; without ``USE_TZ`` leave it as it is."""
    if settings.USE_TZ:
        return timezone.localtime(value)
    return value or datetime.now()
