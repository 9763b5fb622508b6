"""The schedules: functions that do not import, rules that can not be computed, missed times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from django_q.conf import Conf
from django_q.dashboard.display import coarse_duration
from django_q.dashboard.figures.schedule_lines import OVERDUE_AFTER, active_schedules
from django_q.doctor.findings.finding import Finding, counted, error, warning
from django_q.exceptions import contain_error
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.scheduling.readable_schedules import read_schedules
from django_q.scheduling.rule_times import saved_times
from django_q.status import Stat, utc_now
from django_q.text.error_text import error_summary
from django_q.unfinished.queues import is_served
from django_q.unfinished.reading import broker_for
from django_q.wire.allowed_functions import permitted

#: Schedules that are looked at, those that are due first.
MAX_EXAMINED_SCHEDULES = 1000


def examine() -> Iterator[Finding]:
    """Look at the schedules that will run again."""
    stats = Stat.get_all(broker_for(None))
    unreadable: list[Finding] = []

    def note(schedule: Schedule, failure: Exception) -> None:
        unreadable.append(rule_finding(schedule, failure))

    schedules = read_schedules(active_schedules(), MAX_EXAMINED_SCHEDULES, note)
    yield from unreadable
    for schedule in schedules:
        yield from function_findings(schedule)
        yield from rule_findings(schedule)
        yield from queue_findings(schedule, stats)
    yield from overdue_findings(schedules, stats, utc_now())


def title_of(schedule: Schedule) -> str:
    """Name a schedule."""
    name = f"'{schedule.name}'" if schedule.name else f"#{schedule.pk}"
    return f"The schedule {name} ({schedule.func})"


def function_findings(schedule: Schedule) -> Iterator[Finding]:
    """Import its function, and its hook."""
    paths = (
        (schedule.func, "function", "schedule-function"),
        (schedule.hook, "hook", "schedule-hook"),
    )
    for path, what, finding_id in paths:
        if not path:
            continue
        try:
            permitted(path, f"The {what} of a schedule")
        except BaseException as failure:  # a module may raise anything while it is imported
            contain_error(failure)
            yield error(
                finding_id,
                f"{title_of(schedule)}: its {what} can not be used here. {error_summary(failure)}",
                "Correct the path in the schedule, or bring the function back; then restart the "
                "clusters.",
            )


def rule_findings(schedule: Schedule) -> Iterator[Finding]:
    """Compute when it is due, and tell the error of its last run."""
    try:
        saved_times(schedule, 2)
    except Exception as failure:  # of a rule, a time zone, or a package that is missing
        yield rule_finding(schedule, failure)
        return
    if schedule.error:
        text = f"{title_of(schedule)} could not be enqueued: {schedule.error}"
        yield error("schedule-failed", text, "Correct the schedule; it is tried again.")


def rule_finding(schedule: Schedule, failure: Exception) -> Finding:
    """Say why nobody knows when a schedule is due."""
    text = f"{title_of(schedule)} can not be read. {error_summary(failure)}"
    return error("schedule-rule", text, "Correct it in the admin, or delete it.")


def queue_findings(schedule: Schedule, stats: Sequence[Stat]) -> Iterator[Finding]:
    """Find a queue that no cluster serves, while others are."""
    if stats and schedule.cluster and not is_served(schedule.cluster, stats):
        yield warning(
            "schedule-queue",
            f"{title_of(schedule)} goes to the queue '{schedule.cluster}', which no cluster "
            "serves.",
            f"Start one: manage.py qcluster --name {schedule.cluster}; or correct the schedule.",
        )


def overdue_findings(
    schedules: Sequence[Schedule], stats: Sequence[Stat], now: datetime
) -> Iterator[Finding]:
    """Find schedules whose due time has passed, without a task."""
    dues = [aware_utc(each.next_run) for each in schedules if each.next_run]
    late = sorted(due for due in dues if due < now - OVERDUE_AFTER)
    if not late:
        return
    age = coarse_duration((now - late[0]).total_seconds())
    runs_schedules = any(stat.scheduler for stat in stats)
    cure = (
        "Look into the log of the cluster that runs schedules."
        if runs_schedules
        else f"Start a cluster with 'scheduler' on; here it is {'on' if Conf.SCHEDULER else 'off'}."
    )
    text = f"{counted(len(late), 'schedule')} overdue, the first one for {age}."
    yield error("schedule-overdue", text, cure)
