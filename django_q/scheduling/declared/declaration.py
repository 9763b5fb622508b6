"""Declare schedules on functions, with ``@scheduled``; the registry of those that were imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from inspect import unwrap
from typing import Any, TypeVar

from django_q import recurrence
from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.models import Schedule
from django_q.models.schedule_fields.next_run_changes import MAX_MINUTES
from django_q.models.schedule_fields.type_words import schedule_type
from django_q.scheduling.schedules_in_code import (
    TIME_TYPE,
    as_datetime,
    importable_path,
    literal_text,
    normalize_fields,
)
from django_q.text.error_text import short_repr
from django_q.text.function_names import dotted_name
from django_q.wire.callables import task_function
from django_q.wire.option_types import closest_name_hint
from django_q.wire.options import OptionType, normalize_option, normalize_options
from django_q.wire.package import PACKAGE_OPTIONS
from django_q.wire.queue_options import check_queue_options

Function = TypeVar("Function", bound=Callable[..., Any])

#: Types that have no interval of their own, or no second run.
UNREPEATED_TYPES = (Schedule.ONCE, Schedule.MINUTES, Schedule.CRON)
EVERY_TEXT = (
    f"a timedelta of whole minutes, {MAX_MINUTES} at most, a number of minutes, or a word such as "
    "'daily'"
)
#: The most characters of the name of a schedule, as of its column.
MAX_SCHEDULE_NAME_LENGTH = 100


@dataclass(frozen=True)
class Declaration:
    """A schedule as a function declares it."""

    name: str
    #: The module that declares it.
    module: str
    #: The values of its fields by name, each a text, a number or None; ``next_run`` in ISO 8601.
    values: dict[str, Any]
    #: The function itself, below its decorators.
    origin: Any = None

    @property
    def func(self) -> str:
        """The dotted name of its function."""
        return self.values["func"]


class DeclarationRegistry(dict[str, Declaration]):
    """The schedules that imported modules declare, by name."""

    def add(self, declaration: Declaration) -> None:
        """Add a schedule. Raises ``PackageError`` if its name is taken, by its own function too.

        A module that is imported again replaces what it has declared before.
        """
        before = self.get(declaration.name)
        if before and (before.func != declaration.func or before.origin is declaration.origin):
            raise PackageError(
                f"The name {declaration.name!r} of a schedule is declared by '{before.func}' and "
                f"by '{declaration.func}'. Give one of them another 'name'."
            )
        self[declaration.name] = declaration


#: Filled as modules are imported.
DECLARATIONS = DeclarationRegistry()


def scheduled(
    name: str | None = None,
    *,
    cron: str | None = None,
    every: timedelta | int | str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    next_run: datetime | date | str | None = None,
    time_zone: str | None = None,
    jitter: float | timedelta | None = None,
    catch_up: str | bool | None = None,
    overlap: str | None = None,
    intended_date_kwarg: str | None = None,
    **options: Any,
) -> Callable[[Function], Function]:
    """Declare that a function is called by a schedule; it can be called as before.

    ``cron`` is an expression, ``every`` a timedelta, a number of minutes, or a word such as
    "daily". ``args`` and ``kwargs`` are literals for the function. All other options are those of
    a task, such as ``retries=3``. The schedule is written to its table by ``migrate``, and when a
    cluster starts. A function may have several, each with a ``name``; without one it is the
    dotted name of the function. Raises ``PackageError`` for what can not be a schedule.
    """
    fields = {
        "cron": None,
        **rule_fields(cron, every),
        "next_run": by_clock_of(time_zone, next_run),
        "time_zone": str(time_zone) if time_zone else None,
        "jitter": jitter,
        "catch_up": {True: "all", False: "latest"}.get(catch_up, catch_up),  # type: ignore[arg-type]
        "overlap": overlap,
        "intended_date_kwarg": intended_date_kwarg,
    }
    given = task_options(options)

    def declare(func: Function) -> Function:
        DECLARATIONS.add(declaration_of(func, name, fields, args, dict(kwargs or {}), given))
        return func

    return declare


def rule_fields(cron: str | None, every: timedelta | int | str | None) -> dict[str, Any]:
    """Return the fields for the rule of a schedule. Raises ``PackageError``."""
    if (cron is None) == (every is None):
        got = f"{short_repr(cron)} and {short_repr(every)}" if cron else "none of them"
        raise PackageError(f"A declared schedule must have either 'cron' or 'every', got {got}.")
    if cron is not None:
        check_expression(cron)
        return {"schedule_type": Schedule.CRON, "cron": cron}
    if isinstance(every, str):
        kind = schedule_type(every)
        if kind in dict(Schedule.TYPE) and kind not in UNREPEATED_TYPES:
            return {"schedule_type": kind}
    minutes = every / timedelta(minutes=1) if isinstance(every, timedelta) else every
    is_number = isinstance(minutes, (int, float)) and not isinstance(minutes, bool)
    if not is_number or minutes != int(minutes) or not 1 <= minutes <= MAX_MINUTES:
        raise PackageError(f"'every' must be {EVERY_TEXT}; got {short_repr(every)}.")
    return {"schedule_type": Schedule.MINUTES, "minutes": int(minutes)}


def by_clock_of(time_zone: Any, value: Any) -> datetime | None:
    """Read the time at which a rule begins: without a time zone, by the clock of the schedule."""
    moment = normalize_option("next_run", value, OptionType(TIME_TYPE.expected, as_datetime))
    if moment is None or moment.tzinfo is not None:
        return moment
    try:
        return recurrence.instant(moment, recurrence.time_zone(str(time_zone or Conf.TIME_ZONE)))
    except recurrence.RecurrenceError as error:
        raise PackageError(str(error)) from error


def check_expression(cron: str) -> None:
    """Raise ``PackageError`` for an invalid expression, where croniter is there to read it."""
    try:
        recurrence.check_cron(cron)
    except recurrence.CronUnavailable:
        return  # a process that runs no schedules may do without
    except recurrence.RecurrenceError as error:
        raise PackageError(str(error)) from error


def task_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Convert options of a task to the form in which they are stored. Raises ``PackageError``."""
    for name in options:
        if name not in PACKAGE_OPTIONS:
            hint = closest_name_hint(name, PACKAGE_OPTIONS) or "Arguments stand in 'kwargs'."
            raise PackageError(f"A schedule has no option {name!r}. {hint}")
    given = normalize_options(options)
    if "hook" in given:
        given["hook"] = importable_path(given["hook"], "The hook of a schedule")
    check_queue_options(given)
    return given


def declaration_of(
    func: Any,
    name: str | None,
    fields: Mapping[str, Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    options: dict[str, Any],
) -> Declaration:
    """Make the declaration of a function. Raises ``PackageError``."""
    origin = task_function(func)
    path = dotted_name(origin)
    if "<locals>" in path or "<lambda>" in path:
        raise PackageError(
            f"'{path}' can not be found by its name: a schedule needs a function that is defined "
            "at the top of a module, or in a class there."
        )
    name = name or path
    if len(name) > MAX_SCHEDULE_NAME_LENGTH:
        raise PackageError(
            f"The name of a schedule has {MAX_SCHEDULE_NAME_LENGTH} characters at most, got "
            f"{len(name)}: {name!r}. Give it a 'name'."
        )
    found = normalize_fields({**fields, "name": name})
    own = {key: options[key] for key in ("hook", "cluster") if options.get(key)}
    rest = {key: value for key, value in options.items() if key not in own}
    named = {**kwargs, **({"q_options": rest} if rest else {})}
    for value in (args, named):
        parts = value if isinstance(value, dict) else dict(enumerate(value, 1))
        literal_text(value, parts)  # raises where one of them is no literal
    values = {
        **found,
        **{"hook": None, "cluster": None, **own},
        "func": path,
        "next_run": found["next_run"] and found["next_run"].isoformat(),
        "args": stable_text(tuple(args)) if args else None,
        "kwargs": stable_text(named) if named else None,
    }
    del values["repeats"]
    module = getattr(origin, "__module__", None) or path.rpartition(".")[0]
    return Declaration(name, module, values, unwrap(origin))


def stable_text(value: Any) -> str:
    """Write a literal as each process writes it: the order in a set differs between processes."""
    if isinstance(value, dict):
        pairs = (f"{stable_text(key)}: {stable_text(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, set) and value:
        return f"{{{', '.join(sorted(map(stable_text, value)))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(stable_text, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(stable_text, value))}{',' if len(value) == 1 else ''})"
    return repr(value)
