"""The fields that ``schedule`` of a task function takes, typed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, TypedDict

from django_q.calls.task_function.task_options import Named, check_names
from django_q.exceptions import PackageError
from django_q.wire.package import KEYWORD_OPTIONS


class ScheduleFields(TypedDict, total=False):
    """When, and how often, a schedule calls its function: what ``schedule`` takes by name."""

    name: str | None
    hook: Named | None
    schedule_type: str | None
    minutes: int | timedelta | None
    repeats: int | None
    next_run: datetime | date | str | None
    cron: str | None
    cluster: str | None
    intended_date_kwarg: str | None
    time_zone: str | tzinfo | None
    catch_up: str | bool | None
    overlap: str | None
    paused: bool | None
    update: bool


def checked_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Check the names of fields. Raises ``PackageError``."""
    if not isinstance(fields, Mapping):
        raise PackageError(
            "Expected the fields of the schedule first, as in "
            f"schedule({{'cron': '0 9 * * *'}}, ...); got a {type(fields).__name__}."
        )
    check_names("field of schedules", fields, ScheduleFields.__annotations__)
    return dict(fields)


def check_argument_names(kwargs: Mapping[str, Any]) -> None:
    """Raise ``PackageError`` for arguments that would be options in the row of a schedule."""
    for name in kwargs:
        if name in KEYWORD_OPTIONS or name == "q_options":
            raise PackageError(
                f"The argument '{name}' of a schedule has the name of an option, and its row keeps "
                "both in one place: pass it by position."
            )
