"""When a schedule is due next whose rule is new, or has become another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import models, router, transaction

from django_q import recurrence
from django_q.exceptions import short_repr
from django_q.models.schedule_fields.due_times import aware_utc, database_time, next_storable_due
from django_q.servers.database_clock import database_now

#: What says when a schedule is due.
RULE_FIELDS = ("schedule_type", "minutes", "cron", "time_zone")
#: What is no longer true when that is another.
RULE_STATE_FIELDS = ("next_run", "anchor", "claimed", "error")
#: Minutes that the column holds in each database.
MAX_MINUTES = 32767


class ScheduleQuerySet(models.QuerySet):
    """Schedules; those whose rule ``update()`` or ``bulk_update()`` changes follow the new one."""

    def update(self, **values: Any) -> int:
        """Change schedules; when they are due follows from their rule where that changes."""
        if "next_run" in values or not values.keys() & {*RULE_FIELDS}:
            return super().update(**values)
        self._for_write = True
        with transaction.atomic(using=self.db):
            before = {
                row["pk"]: row for row in self.order_by().values("pk", *RULE_FIELDS, "next_run")
            }
            done = super().update(**values)
            for schedule in self.model._base_manager.using(self.db).filter(pk__in=list(before)):
                restart_changed_rule(schedule, before[schedule.pk])
        return done

    update.alters_data = True


def restart_changed_rule(schedule: Any, before: Mapping[str, Any]) -> None:
    """Let the row of a schedule follow another rule, if it can be followed."""
    if not has_changed_rule(schedule, before):
        return
    try:
        begin_rule(schedule, before)
    except (recurrence.RecurrenceError, OverflowError):
        return  # who runs it says so
    rows = type(schedule)._base_manager.using(schedule._state.db).filter(pk=schedule.pk)
    rows.update(**{name: getattr(schedule, name) for name in RULE_STATE_FIELDS})


def follow_rule(
    schedule: Any, using: str | None = None, update_fields: Iterable[str] | None = None
) -> Iterable[str] | None:
    """Prepare a schedule to be saved, and give the names of the fields to save.

    Raises ``RecurrenceError`` for a rule that is new and can not be followed.
    """
    if update_fields is not None and not {*update_fields} & {*RULE_FIELDS}:
        return update_fields
    before = saved_rule(schedule, using)
    if before and not has_changed_rule(schedule, before):
        return update_fields
    begin_rule(schedule, before, using)
    return update_fields and {*update_fields, *RULE_STATE_FIELDS}


def saved_rule(schedule: Any, using: str | None = None) -> dict[str, Any] | None:
    """Read what the database has of a schedule's rule; None of one that is not there."""
    if schedule.pk is None:
        return None
    rows = type(schedule)._base_manager.using(using or alias_of(schedule))
    return rows.filter(pk=schedule.pk).values(*RULE_FIELDS, "next_run").first()


def has_changed_rule(schedule: Any, before: Mapping[str, Any]) -> bool:
    """Whether what says when it is due differs from before; an empty value is none."""
    now = {**before, **vars(schedule)}  # fields that were deferred are as they were
    return any(str(now[name] or "") != str(before[name] or "") for name in RULE_FIELDS)


def begin_rule(schedule: Any, before: Mapping[str, Any] | None, using: str | None = None) -> None:
    """Let the rule of a schedule begin. Raises ``RecurrenceError`` if it can not be followed."""
    check_rule(schedule)
    if schedule.schedule_type == recurrence.CRON:
        given = schedule.next_run
        if before and given == before["next_run"]:
            given = None  # it follows from the rule before
        schedule.next_run = first_due(schedule, given, database_now(using or alias_of(schedule)))
    if before:
        schedule.anchor = schedule.claimed = schedule.error = None


def check_rule(schedule: Any) -> None:
    """Raise ``RecurrenceError`` where the type lacks the value it needs."""
    if schedule.schedule_type == recurrence.MINUTES:
        try:
            is_sensible = 0 < int(schedule.minutes or 0) <= MAX_MINUTES
        except (TypeError, ValueError, OverflowError):
            is_sensible = False
        if not is_sensible:
            got = short_repr(schedule.minutes)
            raise recurrence.RecurrenceError(
                f"'minutes' must be a number from 1 to {MAX_MINUTES}, got {got}."
            )
    if schedule.schedule_type == recurrence.CRON and not schedule.cron:
        raise recurrence.RecurrenceError("The type Cron needs a cron expression, got none.")


def first_due(schedule: Any, start: Any, now: datetime) -> datetime | None:
    """Find the first due time of a cron expression: from ``start`` on, but not before ``now``.

    Raises ``RecurrenceError`` where there is none.
    """
    moment = now
    if start is not None:
        start = aware_utc(schedule._meta.get_field("next_run").to_python(start))
        moment = start - recurrence.MICROSECOND if start > now else now
    rule = recurrence.Rule(recurrence.CRON, schedule.zone, moment, cron=schedule.cron)
    following = next_storable_due(rule, recurrence.next_due(rule, moment), moment)
    if following is None:
        raise recurrence.RecurrenceError(
            f"{short_repr(schedule.cron)} is over: it names no time after {moment}."
        )
    return database_time(following)


def alias_of(schedule: Any) -> str:
    """Name the database that a schedule is in, or goes to."""
    return schedule._state.db or router.db_for_write(type(schedule), instance=schedule)
