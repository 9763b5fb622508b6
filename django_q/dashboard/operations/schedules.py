"""The schedules, and the page of one: when it runs next, and how it ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_q.dashboard.access import VIEW_SCHEDULES, VIEW_TASKS, may
from django_q.dashboard.display import badge, duration, time_element
from django_q.dashboard.figures.schedule_lines import (
    MAX_SHOWN_SCHEDULES,
    next_run_lines,
    schedule_line,
    schedule_lines,
)
from django_q.dashboard.orders import Order, log_order, tell
from django_q.dashboard.page import Page, read_section
from django_q.models import Schedule, Task
from django_q.models.admin_links import admin_address, task_admin_url
from django_q.models.task import HAS_ENDED, clipped
from django_q.scheduling.backfill import backfill
from django_q.scheduling.due_runs import run_now
from django_q.status import utc_now

#: Tasks of a schedule that are shown, the latest.
MAX_SHOWN_ENDS = 10
CHANGE_PERMISSION = "django_q.change_schedule"


def pause(schedule: Schedule) -> None:
    """Pause a schedule, and save that."""
    schedule.pause()
    schedule.save(update_fields=["paused", "pause_reason"])


def resume(schedule: Schedule) -> None:
    """Resume a schedule, and save that."""
    schedule.resume()
    fields = ("paused", "pause_reason", "error", "claimed", "next_run", "anchor", "repeats")
    schedule.save(update_fields=fields)


def for_schedule(step: Callable[[Schedule], object], text: Any) -> Order:
    """Make an order for the schedule that a form names; ``text`` says that it was given."""

    def give(request: HttpRequest) -> None:
        schedule = Schedule.objects.get(pk=request.POST.get("schedule"))
        step(schedule)
        name = schedule.name or str(schedule)
        what = step.__name__.replace("_", " ").capitalize()
        log_order(request, str(schedule.pk), what, model=Schedule, name=name)
        tell(request, messages.SUCCESS, text % {"schedule": name})

    return CHANGE_PERMISSION, give


def backfill_schedule(request: HttpRequest) -> None:
    """Enqueue a task for each time of a schedule's rule in the span that the form names."""
    schedule = Schedule.objects.get(pk=request.POST.get("schedule"))
    first, last = (request.POST.get(name, "").strip() for name in ("start", "end"))
    count = len(backfill(schedule, first, last))
    name = schedule.name or str(schedule)
    text = f"Backfilled from {first} to {last}: {count} tasks."
    log_order(request, str(schedule.pk), text, model=Schedule, name=name)
    told = ngettext(
        "%(number)d task of %(schedule)s was enqueued.",
        "%(number)d tasks of %(schedule)s were enqueued.",
        count,
    )
    level = messages.SUCCESS if count else messages.WARNING
    tell(request, level, told % {"number": count, "schedule": name})


SCHEDULE_ORDERS: dict[str, Order] = {
    "run_now": for_schedule(run_now, gettext_lazy("The task of %(schedule)s was enqueued.")),
    "pause": for_schedule(pause, gettext_lazy("%(schedule)s is paused.")),
    "resume": for_schedule(resume, gettext_lazy("%(schedule)s is resumed.")),
    "backfill": (CHANGE_PERMISSION, backfill_schedule),
}


class SchedulesPage(Page):
    """The schedules, the next due one first."""

    template_name = "django_q/dashboard/schedules.html"
    title = gettext_lazy("Schedules")
    section = "schedules"
    permissions = VIEW_SCHEDULES
    orders = SCHEDULE_ORDERS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read up to 200 schedules."""
        rows = Schedule.objects.order_by("paused", "next_run", "pk")
        found = schedule_lines(rows, MAX_SHOWN_SCHEDULES + 1, utc_now())
        return {
            "schedules": found[:MAX_SHOWN_SCHEDULES],
            "is_cut": len(found) > MAX_SHOWN_SCHEDULES,
            "cut_text": _("The first %(number)d are shown.") % {"number": MAX_SHOWN_SCHEDULES},
            "list_link": admin_address("schedule_changelist"),
            "add_link": admin_address("schedule_add")
            if request.user.has_perm("django_q.add_schedule")
            else "",
        }


class SchedulePage(Page):
    """A schedule: its next runs and its last ones."""

    template_name = "django_q/dashboard/schedule.html"
    title = gettext_lazy("Schedule")
    section = "schedules"
    permissions = VIEW_SCHEDULES
    orders = SCHEDULE_ORDERS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read a schedule, compute its next runs, and read how the last ones ended."""
        schedule = Schedule.objects.filter(pk=parts["schedule"]).first()
        if schedule is None:
            raise Http404
        line = schedule_line(schedule, utc_now())
        ends = may(request.user, VIEW_TASKS)
        return {
            "title": line.name,
            "schedule": line,
            "zone": schedule.time_zone or "",
            "may_backfill": schedule.schedule_type != Schedule.ONCE,
            "repeats": repeats_text(schedule.repeats),
            "next_runs": read_section(lambda: {"lines": next_run_lines(schedule)}),
            "last_runs": read_section(lambda: {"lines": last_runs(schedule)}) if ends else None,
            "change_link": admin_address("schedule_change", schedule.pk),
        }


def repeats_text(repeats: int) -> str:
    """Write how many runs are left."""
    if repeats < 0:
        return _("No end")
    return ngettext("%(number)d run left", "%(number)d runs left", repeats) % {"number": repeats}


def last_runs(schedule: Schedule) -> list[dict[str, Any]]:
    """Describe the last ten tasks of a schedule that have ended: those of the group of its name."""
    group = clipped(schedule.name or str(schedule.pk), "group")
    rows = Task.objects.filter(HAS_ENDED, group=group).order_by("-stopped")
    columns = rows.only("id", "name", "started", "stopped", "success", "exception")
    return [run_line(task) for task in columns[:MAX_SHOWN_ENDS]]


def run_line(task: Task) -> dict[str, Any]:
    """Describe a task of a schedule that has ended."""
    error = (task.exception or "").rpartition(".")[2]
    return {
        "id": task.pk,
        "name": task.name,
        "link": task_admin_url(task.pk, task.success),
        "state": badge("good", _("Success"))
        if task.success
        else badge("bad", error or _("Failed")),
        "stopped": time_element(task.stopped),
        "duration": duration(task.time_taken()),
    }
