"""Validators of the fields and the rule of a schedule."""

from __future__ import annotations

import contextlib
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_q import recurrence
from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.models.schedule_fields import argument_text, next_run_changes
from django_q.wire import allowed_functions
from django_q.wire.options import checked_function, normalize_kwargs


def validate_cron(value: str) -> None:
    """Raise ValidationError unless the expression names a time; it may have passed.

    Raises ImportError where croniter is not installed.
    """
    try:
        recurrence.check_cron(value)
    except recurrence.RecurrenceError as error:
        raise ValidationError(str(error), code="cron") from error


def validate_kwarg(value: str) -> None:
    """Raise ValidationError unless the value can name an argument of a function."""
    if not argument_text.is_name(value):
        raise ValidationError(
            _("'%(value)s' can not be the name of an argument."),
            code="kwarg",
            params={"value": str(value)[:100]},
        )


def validate_time_zone(value: str) -> None:
    """Raise ValidationError unless the time zone is known."""
    try:
        recurrence.time_zone(value)
    except recurrence.RecurrenceError as error:
        raise ValidationError(str(error), code="time_zone") from error


def validate_args(value: str) -> None:
    """Raise ValidationError unless the text can be read as positional arguments."""
    try:
        argument_text.parse_args(value)
    except ValueError as error:
        raise ValidationError(str(error), code="args") from error


def validate_kwargs(value: str) -> None:
    """Raise ValidationError unless the text can be read as keyword arguments."""
    try:
        argument_text.parse_kwargs(value)
    except ValueError as error:
        raise ValidationError(str(error), code="kwargs") from error


def validate_call(func: str, hook: str | None, kwargs: str | None) -> None:
    """Raise ValidationError unless a task can be made of these values, with valid options."""
    try:
        field = "func"
        checked_function(func or "func", "The function of a schedule")
        field = "hook"
        checked_function(hook or "hook", "The hook of a schedule")
        field = "kwargs"
        normalize_kwargs(argument_text.parse_kwargs(kwargs))
    except PackageError as error:
        raise ValidationError({field: str(error)}, code=field) from error
    except ValueError:  # reported by the validator of the field
        return


def validate_functions(func: str, hook: str | None, kwargs: str | None) -> None:
    """Raise ValidationError unless ``Q_CLUSTER['functions']`` permits what a schedule calls."""
    if Conf.FUNCTIONS is None:
        return
    calls = {"func": func, "hook": hook}
    with contextlib.suppress(ValueError, TypeError):  # reported by the validator of the field
        named = argument_text.parse_kwargs(kwargs)
        calls["kwargs"] = {**named, **(named.get("q_options") or {})}.get("hook")
    reasons = allowed_functions.refusal_reasons(
        {name: call for name, call in calls.items() if call}
    )
    if reasons:
        raise ValidationError(reasons)


def validate_rule(schedule: Any) -> None:
    """Raise ValidationError where the type of a schedule lacks its value, or the rule is over."""
    if schedule.schedule_type == recurrence.CRON and not schedule.cron:
        raise ValidationError({"cron": _("The type Cron needs a cron expression.")})
    if schedule.schedule_type == recurrence.MINUTES and not schedule.minutes:
        raise ValidationError({"minutes": _("The type Minutes needs a number above 0.")})
    before = next_run_changes.saved_rule(schedule)
    if before and not next_run_changes.has_changed_rule(schedule, before):
        return  # an unchanged rule may be over
    try:
        next_run_changes.check_rule(schedule)
    except recurrence.RecurrenceError as error:
        raise ValidationError({"minutes": str(error)}) from error
    if schedule.schedule_type == recurrence.CRON:
        validate_cron_years(schedule)


def validate_cron_years(schedule: Any) -> None:
    """Raise ValidationError for a cron expression whose years are over."""
    # What makes the expression or the time zone invalid is an error of that field alone.
    with contextlib.suppress(recurrence.RecurrenceError):
        recurrence.check_cron(schedule.cron)
        schedule.zone  # noqa: B018 - it raises where the time zone is unknown
        try:
            next_run_changes.first_due(schedule, schedule.next_run, schedule.now)
        except recurrence.RecurrenceError as error:
            raise ValidationError({"cron": str(error)}) from error
