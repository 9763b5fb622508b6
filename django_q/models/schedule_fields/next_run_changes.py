"""Change ``next_run`` of schedules whose rule is new or has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import models, router, transaction

from django_q import recurrence
from django_q.models.schedule_fields.due_times import aware_utc, database_time, next_storable_due
from django_q.servers.database_clock import database_now
from django_q.text.error_text import short_repr

#: Fields of the rule: they say when a schedule is due.
RULE_FIELDS = ("schedule_type", "minutes", "cron", "time_zone")
#: Fields that depend on the rule, and change with it.
RULE_STATE_FIELDS = ("next_run", "anchor", "claimed", "error")
#: The largest number of minutes that the column holds in every database.
MAX_MINUTES = 32767


class ScheduleQuerySet(models.QuerySet):
    """A queryset whose ``update()`` and ``bulk_update()`` change ``next_run`` with the rule."""

    def update(self, **values: Any) -> int:
        """Update schedules; ``next_run`` is computed anew where their rule changes."""
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
    """Save when a schedule is due by its new rule; leave it as it was where the rule is invalid."""
    if not has_changed_rule(schedule, before):
        return
    try:
        begin_rule(schedule, before)
    except (recurrence.RecurrenceError, OverflowError):
        return  # the scheduler pauses it, with the reason
    rows = type(schedule)._base_manager.using(schedule._state.db).filter(pk=schedule.pk)
    rows.update(**{name: getattr(schedule, name) for name in RULE_STATE_FIELDS})


def follow_rule(
    schedule: Any, using: str | None = None, update_fields: Iterable[str] | None = None
) -> Iterable[str] | None:
    """Prepare a schedule for saving, and return the names of the fields to save; None for all.

    Raises ``RecurrenceError`` for a rule that is new or has changed, and is invalid.
    """
    if update_fields is not None and not {*update_fields} & {*RULE_FIELDS}:
        return update_fields
    before = saved_rule(schedule, using)
    if before and not has_changed_rule(schedule, before):
        return update_fields
    begin_rule(schedule, before, using)
    return update_fields and {*update_fields, *RULE_STATE_FIELDS}


def saved_rule(schedule: Any, using: str | None = None) -> dict[str, Any] | None:
    """Read the rule of a schedule from the database; None where it is not saved."""
    if schedule.pk is None:
        return None
    rows = type(schedule)._base_manager.using(using or alias_of(schedule))
    return rows.filter(pk=schedule.pk).values(*RULE_FIELDS, "next_run").first()


def has_changed_rule(schedule: Any, before: Mapping[str, Any]) -> bool:
    """Return True if the rule differs from the one before; an empty text is the same as None."""
    now = {**before, **vars(schedule)}  # deferred fields are unchanged
    return any(str(now[name] or "") != str(before[name] or "") for name in RULE_FIELDS)


def begin_rule(schedule: Any, before: Mapping[str, Any] | None, using: str | None = None) -> None:
    """Set the fields that depend on a new rule. Raises ``RecurrenceError`` where it is invalid."""
    check_rule(schedule)
    if schedule.schedule_type == recurrence.CRON:
        given = schedule.next_run
        if before and given == before["next_run"]:
            given = None  # it was computed by the rule before
        schedule.next_run = first_due(schedule, given, database_now(using or alias_of(schedule)))
    if before:
        schedule.anchor = schedule.claimed = schedule.error = None


def check_rule(schedule: Any) -> None:
    """Raise ``RecurrenceError`` where the type of a schedule lacks the value that it needs."""
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
    """Return the alias of the database that a schedule is in, or will be saved to."""
    return schedule._state.db or router.db_for_write(type(schedule), instance=schedule)
