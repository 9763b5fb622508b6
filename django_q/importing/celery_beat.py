"""Schedules of django-celery-beat: the rows of its table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from django.utils.module_loading import autodiscover_modules, import_string

from django_q.importing.found import FoundSchedule, NotImportable, cron, every, once

#: Celery adds it by itself, for its own results.
OWN_TASK = "celery.backend_cleanup"


def find() -> Iterator[FoundSchedule | tuple[str, NotImportable]]:
    """List the schedules, in the order of their names. Needs the app in INSTALLED_APPS."""
    periodic_task = import_string("django_celery_beat.models.PeriodicTask")
    autodiscover_modules("tasks")  # where tasks get names that are no paths
    rows = periodic_task.objects.select_related("interval", "crontab", "solar", "clocked")
    for row in rows.exclude(task=OWN_TASK).order_by("name"):
        try:
            yield found(row)
        except NotImportable as error:
            yield row.name, error


def found(row: Any) -> FoundSchedule:
    """Read a row. Raises NotImportable."""
    fields = {**rule(row), "paused": not row.enabled or None, "cluster": row.queue or None}
    kwargs = json.loads(row.kwargs or "{}")
    notes = []
    if row.expire_seconds:
        kwargs["q_options"] = {"expires": row.expire_seconds}
    if row.expires:
        notes.append(f"it does not end by itself at {row.expires}")
    if row.priority is not None:
        notes.append(f"its priority {row.priority} is left out")
    if row.queue:
        notes.append(f"a cluster has to serve the queue {row.queue}")
    if row.one_off and not row.clocked:
        fields["repeats"] = 1
    return FoundSchedule(
        row.name, function_path(row.task), json.loads(row.args or "[]"), kwargs, fields, notes
    )


def rule(row: Any) -> dict[str, Any]:
    """Return the fields of its rule."""
    if row.clocked:
        return once(row.clocked.clocked_time)
    if row.crontab:
        each = row.crontab
        parts = each.minute, each.hour, each.day_of_month, each.month_of_year, each.day_of_week
        expression = " ".join(part.replace(" ", "") for part in parts)
        return {**cron(expression, str(each.timezone)), "next_run": row.start_time}
    if row.interval:
        fields = every(row.interval.schedule.run_every.total_seconds())
        last = row.last_run_at and row.last_run_at + row.interval.schedule.run_every
        return {**fields, "next_run": last or row.start_time}
    raise NotImportable("it goes by the sun")


def function_path(name: str) -> str:
    """Return the dotted path of the function of a Celery task, whose name may be another one."""
    with contextlib.suppress(ImportError):
        import_string(name)
        return name
    task = import_string("celery.current_app").tasks.get(name)
    if task is None:
        raise NotImportable(f"no task of Celery has the name {name}")
    return f"{task.run.__module__}.{task.run.__qualname__}"
