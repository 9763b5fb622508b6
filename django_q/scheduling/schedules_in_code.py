"""Make schedules from code: once, or updated each time the code runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise

from django_q.exceptions import PackageError
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.models import Schedule
from django_q.models.schedule import MAX_JITTER_SECONDS
from django_q.models.schedule_fields.argument_text import MAX_LITERAL_LENGTH, parse_args
from django_q.models.schedule_fields.due_times import database_time
from django_q.models.schedule_fields.next_run_changes import RULE_FIELDS
from django_q.models.schedule_fields.type_words import schedule_type
from django_q.results.run_columns import stored_time
from django_q.servers.database_clock import database_now
from django_q.text.error_text import short_repr
from django_q.wire.callables import importable_name
from django_q.wire.option_types import number
from django_q.wire.options import (
    LABEL_TYPE,
    OptionType,
    checked_function,
    normalize_kwargs,
    normalize_option,
)
from django_q.wire.package import call_by_name, options_in

#: Fields that say what a schedule calls.
CALL_FIELDS = ("func", "args", "kwargs", "hook", "cluster", "intended_date_kwarg")
#: Fields that code can give: the keyword arguments of ``schedule``.
GIVEN_FIELDS = (
    *("name", "hook", "schedule_type", "minutes", "repeats", "next_run", "cron", "cluster"),
    *("intended_date_kwarg", "time_zone", "catch_up", "overlap", "paused"),
)
#: Fields that change as a schedule runs.
RUN_STATE_FIELDS = ("next_run", "repeats")
#: Fields that an administrator may have set.
ADMINISTRATOR_FIELDS = ("time_zone", "catch_up", "overlap", "jitter", "paused")


def make_schedule(
    func: str | Callable,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    fields: Mapping[str, Any],
    update: bool = False,
) -> Schedule:
    """Save a schedule with these fields, or update the one that has its name."""
    if isinstance(func, FunctionWithOptions):
        func, kwargs = call_by_name(func, dict(kwargs))
    kwargs, jitter = without_jitter(kwargs)
    kwargs = normalize_kwargs(kwargs)
    fields = normalize_fields({**fields, "jitter": jitter})
    values = {
        **fields,
        "func": importable_path(func, "The function of a schedule"),
        "hook": fields["hook"] and importable_path(fields["hook"], "The hook of a schedule"),
        "args": literal_text(args, dict(enumerate(args, 1))),
        "kwargs": literal_text(kwargs, kwargs),
    }
    if update and not fields.get("name"):
        raise PackageError("A schedule is updated by its name, got none.")
    with transaction.atomic(using=router.db_for_write(Schedule)):
        if update and (existing := schedules_named(fields["name"]).select_for_update().first()):
            return update_schedule(existing, values)
        if schedules_named(fields.get("name")).exists():
            raise IntegrityError("A schedule with the same name already exists.")
        schedule = Schedule(**{key: value for key, value in values.items() if value is not None})
        schedule.next_run = first_run(fields.get("next_run"))
        schedule.full_clean()
        schedule.save()
    return keep_oldest(schedule) if update else schedule


def without_jitter(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Split keyword arguments into (those without the ``jitter`` of their q_options, the jitter).

    It stands there as a function may have an argument of that name.
    """
    options = dict(options_in(kwargs.get("q_options")))
    if "jitter" not in options:
        return dict(kwargs), None
    jitter = options.pop("jitter")
    rest = {name: value for name, value in kwargs.items() if name != "q_options"}
    return {**rest, **({"q_options": options} if options else {})}, jitter


def normalize_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert values that can mean one thing only; others are left to validation."""
    fields = {**dict.fromkeys(GIVEN_FIELDS), **fields}
    return {
        **fields,
        "name": normalize_option("name", fields.get("name"), LABEL_TYPE, "The name of a schedule"),
        "cluster": normalize_option("cluster", fields.get("cluster")),
        "schedule_type": schedule_type(fields["schedule_type"] or implied_type(fields)),
        "time_zone": str(fields["time_zone"]) if fields["time_zone"] else None,
        "catch_up": {True: "all", False: "latest"}.get(fields["catch_up"], fields["catch_up"]),
        "minutes": as_integer(fields.get("minutes"), timedelta(minutes=1)),
        "repeats": as_integer(fields.get("repeats")),
        "next_run": normalize_option("next_run", fields.get("next_run"), TIME_TYPE),
        "jitter": normalize_option("jitter", fields.get("jitter"), JITTER_TYPE),
    }


def implied_type(fields: Mapping[str, Any]) -> str:
    """Return the type of a schedule that does not say it."""
    if fields["cron"]:
        return Schedule.CRON
    return Schedule.ONCE if fields["minutes"] is None else Schedule.MINUTES


def importable_path(func: Any, what: str) -> str:
    """Name a function by the path it can be imported by."""
    return importable_name(checked_function(func, what), what)


def as_datetime(value: Any) -> datetime:
    """Read a time from a text, a datetime or a date, which stands for its midnight."""
    if isinstance(value, (str, Promise)):
        text = str(value).strip()
        value = parse_datetime(text) or parse_date(text)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise TypeError
    return value


def parse_next_run(value: Any) -> datetime:
    """Read a time as it is stored."""
    return stored_time(as_datetime(value))


#: The type of ``next_run``: when a schedule is due first.
TIME_TYPE = OptionType("a time such as '2030-01-01 10:00', a datetime or a date", parse_next_run)


def jitter_seconds(value: Any) -> int:
    """Convert a number of seconds, or a timedelta, to whole seconds."""
    seconds = number(value)
    if not 0 <= seconds <= MAX_JITTER_SECONDS:
        raise ValueError
    return round(seconds)


#: The type of ``jitter``: by how much each run is put off at most.
JITTER_TYPE = OptionType(
    f"a number of seconds from 0 to {MAX_JITTER_SECONDS}, or a timedelta", jitter_seconds
)


def as_integer(value: Any, unit: timedelta | None = None) -> Any:
    """Read digits as a number, and a timedelta as a number of units; return others unchanged."""
    if isinstance(value, timedelta) and unit:
        value = value / unit
    try:
        found = number(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return found if isinstance(found, int) else value


def schedules_named(name: str | None) -> QuerySet[Schedule]:
    """Find the schedules of a name, oldest first; none without a name."""
    return Schedule.objects.filter(name=name).order_by("pk") if name else Schedule.objects.none()


def update_schedule(schedule: Schedule, values: Mapping[str, Any]) -> Schedule:
    """Update a schedule with the values from the code, and save it.

    ``next_run`` and ``repeats`` change only with its rule: deploying must not postpone a run.
    Fields that an administrator may have set stay where the code says nothing about them.
    """
    before = [getattr(schedule, name) for name in (*RULE_FIELDS, *CALL_FIELDS)]
    for name, value in values.items():
        if name not in RUN_STATE_FIELDS and (value is not None or name not in ADMINISTRATOR_FIELDS):
            setattr(schedule, name, value)
    if before != [getattr(schedule, name) for name in (*RULE_FIELDS, *CALL_FIELDS)]:
        schedule.error = None  # it belongs to the rule or the call before
    if before[: len(RULE_FIELDS)] != [getattr(schedule, name) for name in RULE_FIELDS]:
        restart_rule(schedule, values)
    elif schedule.schedule_type == Schedule.ONCE and values["next_run"]:
        reschedule(schedule, values["next_run"])
    schedule.full_clean()
    schedule.save()
    return schedule


def restart_rule(schedule: Schedule, values: Mapping[str, Any]) -> None:
    """Start a schedule again, after its rule has changed."""
    schedule.anchor = schedule.claimed = None
    schedule.repeats = -1 if values["repeats"] is None else values["repeats"]
    schedule.next_run = first_run(values["next_run"])


def first_run(given: datetime | None) -> datetime:
    """Return the first due time of a schedule: the given one, or now."""
    return (
        stored_time(given) if given else database_time(database_now(router.db_for_write(Schedule)))
    )


def reschedule(schedule: Schedule, next_run: datetime) -> None:
    """Set the due time of a schedule that runs once, unless that time is in the past."""
    if stored_time(next_run) > first_run(None):
        schedule.next_run = stored_time(next_run)


def keep_oldest(schedule: Schedule) -> Schedule:
    """Delete all but the oldest schedule of a name: several processes may have made it at once."""
    first, *others = schedules_named(schedule.name)
    for other in others:
        other.delete()
    return first


def literal_text(value: Sequence[Any] | Mapping[str, Any], parts: Mapping[Any, Any]) -> str:
    """Write arguments as Python literals, or raise ``PackageError`` naming the one that is none."""
    for key, part in parts.items():
        if not is_literal(part):
            raise PackageError(
                f"Argument {key!r} ({type(part).__name__}) of a schedule must be a Python literal, "
                f"such as text, numbers, lists and dictionaries of them; got {short_repr(part)}."
            )
    text = str(value)
    if len(text) > MAX_LITERAL_LENGTH:
        raise PackageError(
            f"The arguments of a schedule must have {MAX_LITERAL_LENGTH} characters at most when "
            f"they are written down; got {len(text)}. Keep them elsewhere, and pass what they are "
            "found by."
        )
    return text


def is_literal(value: Any) -> bool:
    """Return True if a value can be written as a Python literal and read again as the same."""
    try:
        text = repr(value)
        # What is too long gets an error of its own, for the text of all arguments.
        return len(text) > MAX_LITERAL_LENGTH or parse_args(f"({text},)") == (value,)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
