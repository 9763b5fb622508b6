"""Schedules: those that are due next, and those that are overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.dashboard.display import badge, coarse_duration, time_element, wrapping_path
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.scheduling.readable_schedules import read_schedules
from django_q.scheduling.rule_times import saved_times
from django_q.status import utc_now

#: Schedules that are shown on the overview.
MAX_NEXT_SCHEDULES = 10
#: Schedules on the page of all of them, and next due times on the page of one.
MAX_SHOWN_SCHEDULES, MAX_NEXT_RUNS = 200, 10
#: A schedule whose due time has passed by more than this is overdue.
OVERDUE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True)
class ScheduleLine:
    """A schedule in a table."""

    pk: int
    name: str
    func: str
    #: How often it runs, in words.
    rule: str
    #: When it is due next; a dash where it is not.
    next_run: SafeString | str
    #: How far away that is, in words.
    distance: str
    is_overdue: bool
    badges: SafeString
    queue: str
    #: Id of the task that was enqueued last.
    last_task: str
    is_paused: bool
    error: str

    @property
    def function(self) -> SafeString:
        """The function, which may wrap."""
        return wrapping_path(self.func)


def active_schedules() -> QuerySet[Schedule]:
    """Select the schedules that will run again, the next first."""
    rows = Schedule.objects.filter(paused=False, next_run__isnull=False)
    return rows.exclude(repeats=0).order_by("next_run", "pk")


def next_schedules(now: datetime) -> list[ScheduleLine]:
    """Describe the ten schedules that are due next; overdue ones are the first of them."""
    return schedule_lines(active_schedules(), MAX_NEXT_SCHEDULES, now)


def schedule_lines(rows: QuerySet[Schedule], limit: int, now: datetime) -> list[ScheduleLine]:
    """Describe schedules, those that can not be read as well."""
    unreadable: dict[int, str] = {}

    def note(schedule: Schedule, error: Exception) -> None:
        unreadable[schedule.pk] = str(error)
        schedules.append(schedule)

    schedules: list[Schedule] = []
    schedules += read_schedules(rows, limit, note)
    return [schedule_line(each, now, unreadable.get(each.pk, "")) for each in schedules]


def schedule_line(schedule: Schedule, now: datetime, unreadable: str = "") -> ScheduleLine:
    """Describe a schedule at a moment, which is aware."""
    due = schedule.next_run and aware_utc(schedule.next_run)
    is_active = not schedule.paused and schedule.repeats != 0 and due is not None
    is_overdue = bool(is_active and due and due < now - OVERDUE_AFTER)
    return ScheduleLine(
        pk=schedule.pk,
        name=schedule.name or f"#{schedule.pk}",
        func=schedule.func,
        rule=rule_text(schedule),
        next_run=time_element(due),
        distance=distance_text(due, now) if due and is_active else "",
        is_overdue=is_overdue,
        badges=state_badge(schedule, is_overdue, unreadable),
        queue=schedule.cluster or "",
        last_task=schedule.task or "",
        is_paused=schedule.paused,
        error=unreadable or schedule.error or "",
    )


def distance_text(due: datetime, now: datetime) -> str:
    """Write how far a due time is away."""
    seconds = (due - now).total_seconds()
    if seconds < 0:
        return _("%(time)s ago") % {"time": coarse_duration(-seconds)}
    return _("in %(time)s") % {"time": coarse_duration(seconds)}


def rule_text(schedule: Schedule) -> str:
    """Write how often a schedule runs."""
    if schedule.schedule_type == Schedule.CRON:
        return schedule.cron or ""
    if schedule.schedule_type == Schedule.MINUTES:
        minutes = schedule.minutes or 0
        text = ngettext("Every %(number)d minute", "Every %(number)d minutes", minutes)
        return text % {"number": minutes}
    return str(dict(Schedule.TYPE).get(schedule.schedule_type, schedule.schedule_type))


def state_badge(schedule: Schedule, is_overdue: bool, unreadable: str) -> SafeString:
    """Show whether a schedule is active, overdue, paused, done, or has failed."""
    if unreadable:
        return badge("bad", _("Unreadable"), unreadable)
    if schedule.error:
        return badge("bad", _("Failed") if schedule.paused else _("Trying again"), schedule.error)
    if schedule.paused:
        return badge("busy", _("Paused"))
    if schedule.repeats == 0 or schedule.next_run is None:
        return badge("quiet", _("Done"))
    return badge("bad", _("Overdue")) if is_overdue else badge("good", _("Active"))


def next_run_lines(schedule: Schedule) -> list[dict[str, Any]]:
    """Describe the next ten due times, by the clock of the schedule."""
    zone, now = schedule.zone, utc_now()
    lines = []
    before = None
    for run in saved_times(schedule, MAX_NEXT_RUNS):
        local = run.astimezone(zone)
        has_changed = before is not None and local.utcoffset() != before.utcoffset()
        lines.append(
            {
                "time": f"{local:%Y-%m-%d %H:%M:%S}",
                "iso": local.isoformat(),
                "weekday": formats.date_format(local, "l"),
                "zone": local.tzname() or str(zone),
                "distance": distance_text(run, now),
                # Between this run and the one before it.
                "clock_change": change_text(before, local) if has_changed else "",
            }
        )
        before = local
    return lines


def change_text(before: datetime, after: datetime) -> str:
    """Say by how much the clock was set forward or back between two times of a zone."""
    change = (after.utcoffset() - before.utcoffset()).total_seconds()
    text = _("clock set forward by %(time)s") if change > 0 else _("clock set back by %(time)s")
    return text % {"time": coarse_duration(abs(change))}
