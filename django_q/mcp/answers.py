"""What an assistant may look at, as values that JSON can carry.

Nothing is unpickled: arguments and results are previews, with dots for what is secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from typing import Any

from django.db import connections
from django.utils import timezone

from django_q.dashboard.failures.kinds import Kind, find_first, find_kinds
from django_q.dashboard.figures.schedule_lines import OVERDUE_AFTER, rule_text
from django_q.dashboard.tasks.found_task import FoundTask, StoredValue, find_task
from django_q.doctor.diagnosis import diagnose
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.scheduling.readable_schedules import read_schedules
from django_q.status import Stat
from django_q.task_logs.following import LogPart, whole_logs
from django_q.terminal.queue_figures import broker_errors_translated
from django_q.terminal.queue_table import queue_as_dict
from django_q.terminal.report import cluster_as_dict
from django_q.text.representation import represent
from django_q.text.strict_json import json_value
from django_q.unfinished.queues import queue_states
from django_q.unfinished.reading import broker_for

#: Characters of arguments and of a result, and of the end of a traceback.
MAX_TOLD_VALUE_LENGTH, MAX_TRACEBACK_LENGTH = 4_000, 20_000
#: Characters of the end of the log of an attempt.
MAX_LOG_LENGTH = 20_000
#: Kinds of failures, and schedules, at most.
MAX_KINDS, MAX_SCHEDULES = 50, 500
#: Attributes of a listed task that are told.
LISTED_NAMES = (
    "id name func group queue state when enqueued worker seconds attempt exception kind done total "
    "note"
).split()

Answer = dict[str, Any]


def answering(tool: Callable[..., Answer]) -> Callable[..., Answer]:
    """Decorate a tool, which runs in a thread of a pool: its connections are closed behind it."""

    @wraps(tool)
    def answer(*args: Any, **kwargs: Any) -> Answer:
        try:
            with broker_errors_translated():
                return with_times_as_text(tool(*args, **kwargs))
        finally:
            connections.close_all()

    return answer


def with_times_as_text(value: Any) -> Any:
    """Copy an answer with its times in the ISO format."""
    if isinstance(value, dict):
        return {str(key): with_times_as_text(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_times_as_text(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else json_value(value)


@answering
def doctor() -> Answer:
    """Find what is wrong with settings, servers, clusters, queues and schedules, and the cures."""
    return diagnose().as_dict()


@answering
def clusters() -> Answer:
    """List the clusters that are alive, with their processes and what each worker runs."""
    return {"clusters": [cluster_as_dict(stat) for stat in Stat.get_all(broker_for(None))]}


@answering
def queues() -> Answer:
    """List the queues with how many tasks wait, are delayed or run, and whether they are served."""
    broker = broker_for(None)
    states = queue_states(broker, Stat.get_all(broker))
    return {"queues": [queue_as_dict(state) for state in states]}


@answering
def failures() -> Answer:
    """Group the newest failures by kind: how many, first and last seen, and the id of a sample.

    ``hours`` are the counts of the last 24 hours, the oldest first.
    """
    kinds = find_kinds(timezone.now())
    told = kinds.kinds[:MAX_KINDS]
    find_first(told)
    return {
        "kinds": [kind_as_dict(kind) for kind in told],
        "more_kinds": len(kinds.kinds) - len(told),
        "failures_looked_at": kinds.looked,
        "hours": kinds.hours,
    }


def kind_as_dict(kind: Kind) -> Answer:
    """Describe a kind of failures."""
    return asdict(kind)


@answering
def task(task_id: str, queue: str = "") -> Answer:
    """Show one task by its id: state, arguments, options, attempts, and the traceback if it failed.

    A plain task that waits is found only if its ``queue`` is named.
    """
    found = find_task(task_id, queue or None)
    if found is None:
        return {"found": False}
    return {"found": True, **task_as_dict(found)}


def task_as_dict(found: FoundTask) -> Answer:
    """Describe a task, whatever its state."""
    return {
        **{name: getattr(found.listed, name) for name in LISTED_NAMES},
        "args": value_text(found.args),
        "kwargs": value_text(found.kwargs),
        "result": None if found.error else value_text(found.result),
        "traceback": found.error[-MAX_TRACEBACK_LENGTH:],
        "log": [log_as_dict(part) for part in whole_logs(found.listed.id)],
        "hook": found.hook,
        "options": represent(dict(found.options), MAX_TOLD_VALUE_LENGTH),
        "attempts": [represent(end, MAX_TOLD_VALUE_LENGTH) for end in found.ends],
        "retries": found.retries,
        "cancelled": found.cancelled,
    }


def log_as_dict(part: LogPart) -> Answer:
    """Describe what was kept of what an attempt has logged: the end of it."""
    is_cut = part.is_truncated or len(part.text) > MAX_LOG_LENGTH
    text = part.text[-MAX_LOG_LENGTH:]
    return {"attempt": part.attempt, "worker": part.worker, "text": text, "is_cut": is_cut}


def value_text(value: StoredValue) -> str | None:
    """Write a value for people; None where it is not known."""
    if not value.is_known:
        return None
    if value.is_too_large:
        return f"({value.length:,} characters, which are not shown)"
    return represent(value.value, MAX_TOLD_VALUE_LENGTH)


@answering
def schedules() -> Answer:
    """List the schedules, those that are due first: rule, next run, error, whether overdue."""
    unreadable: list[Answer] = []

    def note(schedule: Schedule, failure: Exception) -> None:
        unreadable.append({"id": schedule.pk, "func": schedule.func, "error": str(failure)})

    rows = Schedule.objects.order_by("next_run", "pk")
    found = read_schedules(rows, MAX_SCHEDULES, note)
    now = timezone.now()
    return {"schedules": [schedule_as_dict(each, now) for each in found] + unreadable}


def schedule_as_dict(schedule: Schedule, now: datetime) -> Answer:
    """Describe a schedule, without its arguments."""
    due = schedule.next_run and aware_utc(schedule.next_run)
    is_active = not schedule.paused and schedule.repeats != 0
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "func": schedule.func,
        "rule": str(rule_text(schedule)),
        "next_run": due,
        "is_overdue": bool(is_active and due and due < now - OVERDUE_AFTER),
        "paused": schedule.paused,
        "runs_left": schedule.repeats if schedule.repeats >= 0 else None,
        "queue": schedule.cluster,
        "last_task": schedule.task,
        "error": schedule.error or "",
    }
