"""Metrics of schedules."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Max, Min, Q

from django_q.dashboard.figures.schedule_lines import OVERDUE_AFTER, active_schedules
from django_q.metrics.exposition.families import MEASURE, Families, Family
from django_q.models import Schedule, Task
from django_q.models.schedule_fields.due_times import aware_utc, database_time

#: Schedules whose last tasks are looked up at most.
MAX_LAST_TASKS = 500


def schedule_families(now: datetime) -> list[Family]:
    """Measure the schedules at a moment, which is aware. Raises what the database raises."""
    families = Families(
        ("schedules", MEASURE, "Schedules that will run again, and those that are paused."),
        ("schedules_with_error", MEASURE, "Schedules whose task could not be enqueued."),
        ("schedules_overdue", MEASURE, "Schedules that are due for more than 30 seconds."),
        (
            "schedule_longest_overdue_seconds",
            MEASURE,
            "For how long the most overdue one is due.",
        ),
        ("schedule_last_run_timestamp_seconds", MEASURE, "When a schedule enqueued the last task."),
    )
    active, rows = active_schedules().order_by(), Schedule.objects.order_by()
    due_before = database_time(now - OVERDUE_AFTER)
    found = active.aggregate(
        count=Count("pk"),
        overdue=Count("pk", filter=Q(next_run__lt=due_before)),
        first=Min("next_run", filter=Q(next_run__lt=due_before)),
    )
    families["schedules"].add(found["count"], state="active")
    families["schedules"].add(rows.filter(paused=True).count(), state="paused")
    with_error = rows.filter(error__isnull=False).exclude(error="")
    families["schedules_with_error"].add(with_error.count())
    families["schedules_overdue"].add(found["overdue"])
    overdue = (now - aware_utc(found["first"])).total_seconds() if found["first"] else 0
    families["schedule_longest_overdue_seconds"].add(overdue)
    families["schedule_last_run_timestamp_seconds"].add(last_run())
    return families.as_list()


def last_run() -> float | None:
    """Return when a schedule enqueued the last task that is known; None if none is."""
    rows = Schedule.objects.filter(task__isnull=False).order_by("-next_run")
    ids = list(rows.values_list("task", flat=True)[:MAX_LAST_TASKS])
    latest = Task.objects.filter(id__in=ids).order_by().aggregate(latest=Max("started"))["latest"]
    return aware_utc(latest).timestamp() if latest else None
