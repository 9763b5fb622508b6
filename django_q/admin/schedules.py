"""The admin of schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_q.admin.hidden_values import HiddenValuesMixin
from django_q.admin.listing import RoughPaginator
from django_q.admin.schedule_form.form import ScheduleForm
from django_q.admin.schedule_form.preview import preview_element, preview_of, schedule_of
from django_q.admin.schedule_list import ScheduleListMixin
from django_q.dashboard.display import badge, time_element
from django_q.dashboard.operations.schedules import pause, resume
from django_q.foreign_code.optional_packages import croniter
from django_q.models import Schedule, Task
from django_q.models.admin_links import task_admin_url
from django_q.models.task import HAS_ENDED
from django_q.scheduling.due_runs import run_now
from django_q.text.error_text import short_error_text

#: Fields whose change makes due times be counted from ``next_run`` again.
TIMING_FIELDS = {"schedule_type", "minutes", "cron", "time_zone", "next_run"}

#: Why a schedule is paused that was declared by a function.
UNDECLARED_TEXT = _("The source no longer declares it.")


class ScheduleAdmin(HiddenValuesMixin, ScheduleListMixin, admin.ModelAdmin):
    """Schedules: to add, change, pause, and run now."""

    form = ScheduleForm
    list_display = ("id", "name", "func", "schedule_type", "repeats", "cluster", "next_run",
                    "state", "get_last_run", "get_success")  # fmt: skip
    list_display_links = ("id", "name")
    list_filter = ("next_run", "schedule_type", "paused", "cluster")
    search_fields = ("name", "func")
    actions = ("run_now", "pause", "resume")
    paginator = RoughPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/django_q/schedule_change_form.html"
    value_fields = ("args", "kwargs", "options")
    readonly_fields = ("state", "error", "get_last_run", "get_source", "coming_runs")
    fieldsets = (
        (None, {"fields": ("name", "func", "args", "kwargs", "options", "hook", "cluster")}),
        (
            _("When"),
            {"fields": ("schedule_type", "minutes", "cron", "next_run", "time_zone", "repeats",
                        "coming_runs", "paused")},
        ),
        (
            _("Exceptions to the rule"),
            {"fields": ("jitter", "catch_up", "overlap", "intended_date_kwarg")},
        ),
        (_("State"), {"fields": ("state", "get_last_run")}),
    )  # fmt: skip

    class Media:
        css = {"all": ["django_q/admin.css"]}
        js = ["django_q/schedule.js"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Select the outcome of each schedule's last task in the same query."""
        last = Task.objects.filter(HAS_ENDED, id=OuterRef("task"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_success=Subquery(last.values("success")[:1]),
                last_stopped=Subquery(last.values("stopped")[:1]),
            )
        )

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        """Leave out the state of a schedule that is not saved yet, and an error that is empty."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return fieldsets[:-1]
        shown = {"state": True, "error": obj.error, "get_source": obj.source, "get_last_run": True}
        state = [name for name, value in shown.items() if value]
        return (*fieldsets[:-1], (_("State"), {"fields": state}))

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the script of the form asks for previews."""
        view = self.admin_site.admin_view(self.preview)
        return [path("preview/", view, name="django_q_schedule_preview"), *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Answer with the words for the rule in the fields of a form, and its next times."""
        if not (self.has_view_or_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        return JsonResponse(preview_of(schedule_of(request.GET))._asdict())

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        """Make the cron expression read-only where croniter is not installed."""
        fields = super().get_readonly_fields(request, obj)
        return fields if croniter else (*fields, "cron")

    def save_model(
        self, request: HttpRequest, obj: Schedule, form: forms.ModelForm, change: bool
    ) -> None:
        """Save; a change of ``TIMING_FIELDS`` clears the error, the claim and the anchor."""
        before = form.initial.get("next_run")
        if before and obj.next_run == before.replace(microsecond=0):
            obj.next_run = before  # the form shows no fractions of a second
        changed = {name for name in TIMING_FIELDS if getattr(obj, name) != form.initial.get(name)}
        if change and changed:
            obj.anchor = obj.claimed = obj.error = None
        if form.initial.get("paused") and not obj.paused:
            obj.resume()
        super().save_model(request, obj, form, change)

    def response_change(self, request: HttpRequest, obj: Schedule) -> HttpResponse:
        """Run the schedule now if its page was sent by that button."""
        if "_run" in request.POST:
            self.run_now(request, Schedule.objects.filter(pk=obj.pk))
            return HttpResponseRedirect(request.get_full_path())
        return super().response_change(request, obj)

    @admin.action(description=_("Run selected schedules now"), permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Enqueue the tasks of schedules at once."""
        done = self.apply_to_each(request, queryset, run_now)
        self.report_done(
            request, done, ngettext("%d task was enqueued.", "%d tasks were enqueued.", done)
        )

    @admin.action(description=_("Pause selected schedules"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Pause schedules."""
        done = self.apply_to_each(request, queryset, pause)
        text = ngettext("%d schedule was paused.", "%d schedules were paused.", done)
        self.report_done(request, done, text)

    @admin.action(description=_("Resume selected schedules"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Resume schedules, from their next due time on."""
        done = self.apply_to_each(request, queryset, resume)
        text = ngettext("%d schedule was resumed.", "%d schedules were resumed.", done)
        self.report_done(request, done, text)

    def apply_to_each(self, request: HttpRequest, queryset: QuerySet, step: Callable) -> int:
        """Call a function with each schedule, show the errors, and count the successful calls."""
        done = 0
        for schedule in queryset:
            try:
                step(schedule)
            except Exception as error:  # the broker's, or that of a broken schedule
                messages.error(request, f"{schedule.name or schedule}: {short_error_text(error)}")
            else:
                done += 1
                self.log_change(request, schedule, step.__name__.replace("_", " ").capitalize())
        return done

    def report_done(self, request: HttpRequest, done: int, text: str) -> None:
        """Show a message with the number of schedules, unless that is 0."""
        if done:
            messages.success(request, text % done)

    @admin.display(description=_("state"))
    def state(self, schedule: Schedule) -> str:
        """Show whether the schedule is active, paused, done, or has failed."""
        if schedule.error:
            text = _("Failed") if schedule.paused else _("Trying again")
            return badge("bad", text, schedule.error)
        if schedule.paused:
            is_gone = schedule.pause_reason == Schedule.UNDECLARED
            return badge("busy", _("Paused"), UNDECLARED_TEXT if is_gone else "")
        if schedule.repeats == 0 or schedule.next_run is None:
            return badge("quiet", _("Done"))
        return badge("good", _("Active"))

    @admin.display(description=_("last run"), ordering="last_stopped")
    def get_last_run(self, schedule: Schedule) -> str:
        """Link to the last task."""
        if schedule.last_stopped is None:
            return _("No record") if schedule.task else ""
        address = task_admin_url(schedule.task, schedule.last_success)
        return format_html('<a href="{}">{}</a>', address, time_element(schedule.last_stopped))

    @admin.display(description=_("success"), boolean=True, ordering="last_success")
    def get_success(self, schedule: Schedule) -> bool | None:
        """Show how the last task ended."""
        return schedule.last_success

    @admin.display(description=_("next runs"))
    def coming_runs(self, schedule: Schedule | None) -> str:
        """Show the rule in words, and when it is due next."""
        is_saved = schedule is not None and schedule.pk
        preview = preview_of(schedule) if is_saved else None
        name = f"{self.admin_site.name}:django_q_schedule_preview"
        return preview_element(preview, reverse(name))

    @admin.display(description=_("source"))
    def get_source(self, schedule: Schedule) -> str:
        """Name the function that declares it, or did so until the schedule was paused."""
        if schedule.paused and schedule.pause_reason == Schedule.UNDECLARED:
            return f"{schedule.source}: {UNDECLARED_TEXT}"
        text = _("Declared by %(function)s. What is changed here stays until that changes.")
        return text % {"function": schedule.source}
