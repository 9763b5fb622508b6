"""Write what the source declares into rows of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_q.conf import logger
from django_q.models import Schedule
from django_q.models.schedule_fields.next_run_changes import RULE_FIELDS
from django_q.scheduling.schedules_in_code import ADMINISTRATOR_FIELDS, first_run
from django_q.wire.callables import resolve_callable

#: Fields of the row that a declaration sets; ``next_run`` only says how a rule begins.
DECLARED_FIELDS = (
    *("name", "func", "args", "kwargs", "hook", "cluster", "schedule_type", "minutes", "cron"),
    *("time_zone", "catch_up", "overlap", "jitter", "intended_date_kwarg"),
)
#: Values of fields that the source no longer sets, where that is not None.
DECLARED_DEFAULTS = {"overlap": Schedule.ALLOW}


def write_declared(
    schedule: Schedule, values: Mapping[str, Any], before: Mapping[str, Any] | None, alias: str
) -> None:
    """Save the values of a declaration in a row.

    ``before`` are those that the source had last; None where the source has not written this row.
    Fields for administrators stay where the source has said nothing about them. Raises what
    validation raises, and what the import of the function raises.
    """
    resolve_callable(values["func"])
    log_replaced(schedule, values, before)
    old_rule = [getattr(schedule, name) for name in RULE_FIELDS]
    for name in DECLARED_FIELDS:
        value = values[name]
        is_unsaid = value is None and (before or {}).get(name) is None
        if not (schedule.pk and is_unsaid and name in ADMINISTRATOR_FIELDS):
            setattr(schedule, name, DECLARED_DEFAULTS.get(name) if value is None else value)
    schedule.source, schedule.error = values["func"], None
    new_rule = [getattr(schedule, name) for name in RULE_FIELDS]
    begins_anew = new_rule != old_rule or values["next_run"] != (before or values)["next_run"]
    if begins_anew or not schedule.pk:
        begin(schedule, values["next_run"], alias)
    schedule.full_clean()
    anchor = schedule.anchor
    schedule.save(using=alias)
    if schedule.anchor != anchor:  # a row whose rule changes loses it when it is saved
        schedule.anchor = anchor
        schedule.save(using=alias, update_fields=["anchor"])


def begin(schedule: Schedule, given: str | None, alias: str) -> None:
    """Set the first due time of a rule: one that is to come, so that no deployment runs a task."""
    schedule.anchor = schedule.claimed = None
    schedule.next_run = first_run(datetime.fromisoformat(given) if given else None)
    if schedule.schedule_type != Schedule.CRON and not schedule.paused:
        schedule.resume()


def log_replaced(
    schedule: Schedule, values: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """Log which fields somebody has changed in the table, and a new declaration replaces."""
    if before is None:
        return
    changed = [name for name in DECLARED_FIELDS if differs(getattr(schedule, name), before[name])]
    replaced = [name for name in changed if differs(getattr(schedule, name), values[name])]
    if replaced := [
        name
        for name in replaced
        if not (name in ADMINISTRATOR_FIELDS and values[name] is before[name] is None)
    ]:
        logger.warning(
            "schedule %s [%s] is declared anew by its source, which replaces what was changed in "
            "the table: %s",
            schedule.pk,
            schedule.func,
            ", ".join(replaced),
        )


def differs(stored: Any, declared: Any) -> bool:
    """Return True if a field has another value; no value is the same as an empty or default one."""
    return str(stored or "") != str(declared or "") and (
        declared is not None or stored not in DECLARED_DEFAULTS.values()
    )


def pause_undeclared(schedule: Schedule, alias: str) -> None:
    """Pause a schedule that the source no longer declares, unless somebody has paused it."""
    if schedule.paused:
        return
    schedule.pause()
    schedule.pause_reason = Schedule.UNDECLARED
    schedule.save(using=alias, update_fields=["paused", "pause_reason"])
    logger.warning(
        "schedule %s [%s] is paused, as %s no longer declares it",
        schedule.pk,
        schedule.func,
        schedule.source,
    )


def resume_declared(schedule: Schedule, alias: str) -> None:
    """Resume a schedule that was paused by ``pause_undeclared``, at its next due time."""
    if not (schedule.paused and schedule.pause_reason == Schedule.UNDECLARED):
        return
    schedule.resume()
    schedule.save(using=alias)
    logger.info(
        "schedule %s [%s] is resumed, as %s declares it again",
        schedule.pk,
        schedule.func,
        schedule.source,
    )
