"""The admin of finished tasks."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from django_q.admin.hidden_values import HiddenValuesMixin
from django_q.admin.listing import (
    ClusterFilter,
    ExceptionFilter,
    FingerprintFilter,
    GroupFilter,
    LargeTableMixin,
    TaskQueueMixin,
    with_small_column,
)
from django_q.calls.resubmission import delete_replaced, resubmit_kind
from django_q.dashboard.display import (
    attempt_list,
    attempts_of_all,
    badge,
    class_name,
    duration,
    single_line,
    time_element,
    value_block,
    wrapping_class,
)
from django_q.dashboard.failures.kind_orders import tell_resubmission
from django_q.dashboard.hidden_values import keywords_with_dots, positional_with_dots, with_dots
from django_q.dashboard.tasks.task_orders import resubmit_or_tell
from django_q.dashboard.tasks.tracebacks import traceback_block
from django_q.models import Task, pickle_preview
from django_q.text.error_text import short_error_text

TASK_ID_PATTERN = re.compile(r"[0-9a-f]{32}")


class EndedTaskAdmin(HiddenValuesMixin, TaskQueueMixin, LargeTableMixin, admin.ModelAdmin):
    """Finished tasks: to view, to submit again, to delete."""

    list_display = ("name", "group", "func", "cluster", "started", "stopped")
    list_filter = (GroupFilter, ClusterFilter)
    search_fields = ("name", "func", "group")
    search_help_text = _("Name, function, group or id")
    ordering = ("-stopped",)
    actions = ("resubmit_task",)
    change_form_template = "admin/django_q/task_change_form.html"
    save_on_top = True
    fieldsets = (
        (None, {"fields": ("name", "id", "func", "call_args", "call_kwargs")}),
        (_("Outcome"), {"fields": ("error_class", "outcome", "kind")}),
        (
            # Django's admin has a button "Run", and applications share their translations.
            pgettext_lazy("one execution of a task", "Run"),
            {"fields": ("shown_started", "shown_begun", "shown_stopped", "time_taken",
                        "attempt_count", "attempt_ends", "cluster", "task_queue", "worker", "group",
                        "hook", "call_options")},
        ),
    )  # fmt: skip
    value_fields = ("call_args", "call_kwargs", "call_options", "outcome",
                    "args", "kwargs", "result", "options")  # fmt: skip
    #: Fields that are left out where their columns are empty, as in rows of earlier releases.
    optional_fields = {"error_class": "exception", "kind": "fingerprint", "shown_begun": "begun",
                       "attempt_ends": "attempts", "worker": "worker",
                       "call_options": "options"}  # fmt: skip

    class Media:
        css = {"all": ["django_q/admin.css"]}

    def without_heavy_columns(self, rows: QuerySet) -> QuerySet:
        """Leave the pickled columns, and those of JSON, out of the list."""
        rows = rows.defer("args", "kwargs", "result", "options", "attempts")
        return self.with_task_queue(rows)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search for an id in its own column alone, as it identifies one row."""
        if TASK_ID_PATTERN.fullmatch(search_term.strip()):
            return queryset.filter(pk=search_term.strip()), False
        return super().get_search_results(request, queryset, search_term)

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> Any:
        """Leave out what the row does not tell."""
        optional = self.optional_fields.items()
        empty = [name for name, column in optional if not getattr(obj, column, None)]
        if obj is None or not self.task_queue(obj):
            empty.append("task_queue")
        return [
            (title, {**options, "fields": [f for f in options["fields"] if f not in empty]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> list[str]:
        """Make all fields read-only: a finished task can not be changed."""
        shown = [name for _title, options in self.fieldsets for name in options["fields"]]
        return [*shown, *super().get_readonly_fields(request, obj)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Make the name of the model the title of the page."""
        context["title"] = capfirst(self.model._meta.verbose_name)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        """Save nothing: there is nothing to change."""

    def response_change(self, request: HttpRequest, obj: Task) -> HttpResponse:
        """Submit the task again if its page was sent by that button."""
        if "_resubmit" in request.POST:
            self.resubmit_task(request, self.model.objects.filter(pk=obj.pk))
            return self.response_post_save_change(request, obj)
        return super().response_change(request, obj)

    @admin.action(description=_("Resubmit selected tasks to queue"), permissions=["change"])
    def resubmit_task(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Enqueue tasks once more, and show an error for each that can not be enqueued."""
        done = 0
        for task in queryset.defer(None):
            if new_id := resubmit_or_tell(request, task):
                done += 1
                self.after_resubmit(request, task, new_id)
        if done:
            text = ngettext("%d task was resubmitted.", "%d tasks were resubmitted.", done)
            messages.success(request, text % done)

    def after_resubmit(self, request: HttpRequest, task: Task, new_id: str) -> None:
        """Log the new id in the history of the task."""
        self.log_change(request, task, f"Resubmitted as {new_id}.")

    @admin.display(description=_("time taken"))
    def time_taken(self, task: Task) -> str:
        """Show how long it took from being enqueued to its end."""
        return duration(task.time_taken())

    @admin.display(description=_("arguments"))
    def call_args(self, task: Task) -> str:
        """Show the positional arguments."""
        return value_block(positional_with_dots(task.func, task.args))

    @admin.display(description=_("keyword arguments"))
    def call_kwargs(self, task: Task) -> str:
        """Show the keyword arguments."""
        return value_block(keywords_with_dots(task.func, task.kwargs))

    @admin.display(description=_("exception"))
    def error_class(self, task: Task) -> str:
        """Show the path of the exception's class."""
        return wrapping_class(task.exception)

    @admin.display(description=_("fingerprint"))
    def kind(self, task: Task) -> str:
        """Link to the failures that have the same fingerprint."""
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        address = reverse(page, current_app=self.admin_site.name)
        query = urlencode({"fingerprint": task.fingerprint})
        text = _("All failures of this kind")
        return format_html('{} <a href="{}?{}">{}</a>', task.fingerprint, address, query, text)

    @admin.display(description=_("attempts one by one"))
    def attempt_ends(self, task: Task) -> str:
        """Show how each attempt ended, and of how many."""
        retries = (task.options or {}).get("retries") if isinstance(task.options, dict) else None
        count = len(task.attempts) if isinstance(task.attempts, list) else 0
        if type(retries) is not int or count > retries + 1:  # of a task that was run again, too
            return attempt_list(task.attempts)
        text = attempts_of_all(count, retries)
        return format_html("<div>{}</div>{}", text, attempt_list(task.attempts))

    @admin.display(description=_("stopped"), ordering="stopped")
    def shown_stopped(self, task: Task) -> str:
        """Show when it ended; or since when it is run again."""
        if not task.is_rerun:
            return time_element(task.stopped)
        mark = badge("busy", _("Run again"), _("It is unfinished until it has ended again"))
        return format_html("{} {}", mark, time_element(task.rerun_at))

    @admin.display(description=_("options"))
    def call_options(self, task: Task) -> str:
        """Show the options of the call, by name: not each database keeps their order."""
        options = task.options
        known = dict(sorted(options.items())) if isinstance(options, dict) else options
        return value_block(with_dots(known))

    @admin.display(description=_("result"))
    def outcome(self, task: Task) -> str:
        """Show the result."""
        return value_block(task.result)


class TaskAdmin(EndedTaskAdmin):
    """Tasks that succeeded."""

    list_display = (*EndedTaskAdmin.list_display, "time_taken")


class FailAdmin(EndedTaskAdmin):
    """Tasks that failed."""

    list_display = (*EndedTaskAdmin.list_display, "exception", "short_result")
    list_filter = (*EndedTaskAdmin.list_filter, ExceptionFilter, FingerprintFilter)
    shown_as = {**EndedTaskAdmin.shown_as, "exception": "shown_exception"}
    #: Who may view failures sees their tracebacks.
    value_fields = tuple(set(EndedTaskAdmin.value_fields) - {"outcome", "result"})
    search_fields = (*EndedTaskAdmin.search_fields, "exception")
    search_help_text = _("Name, function, group, exception or id")
    actions = ("resubmit_task", "resubmit_kinds")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Accept the action by its name in Django Q, ``retry_failed``, as well."""
        if request.POST.get("action") == "retry_failed":
            request.POST = request.POST.copy()
            request.POST["action"] = "resubmit_task"
        return super().changelist_view(request, extra_context)

    def without_heavy_columns(self, rows: QuerySet) -> QuerySet:
        """Select the stored text of the exception where it is small."""
        return with_small_column(super().without_heavy_columns(rows), "result")

    @admin.display(description=_("result"))
    def outcome(self, task: Task) -> str:
        """Show the error with its traceback, opened at the frame that counts."""
        return traceback_block(task.result) or super().outcome(task)

    @admin.display(description=_("exception"), ordering="exception")
    def shown_exception(self, task: Task) -> str:
        """Show the name of the exception's class."""
        return class_name(task.exception)

    @admin.display(description=_("result"))
    def short_result(self, task: Task) -> str:
        """Show how the text of the exception begins."""
        text = pickle_preview.read_column(task.small_result)
        return single_line(text, 100)

    @admin.action(description=_("Resubmit selected tasks to queue"), permissions=["change"])
    def retry_failed(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Enqueue failed tasks once more, in place of their failures."""
        self.resubmit_task(request, queryset)

    @admin.action(description=_("Resubmit all failures of the same kind"), permissions=["change"])
    def resubmit_kinds(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Resubmit the failures that have the fingerprints of those that are selected."""
        kinds = {task.fingerprint: task for task in queryset.only("fingerprint", "name")}
        for fingerprint, task in kinds.items():
            if not fingerprint:
                text = _("%(task)s has no fingerprint, so nobody knows its kind.")
                messages.error(request, text % {"task": task})
                continue
            try:
                found = resubmit_kind(fingerprint)
            except Exception as error:  # the broker's
                messages.error(request, short_error_text(error))
                continue
            tell_resubmission(request, found)
            if found.has_more:
                messages.warning(request, _("There are more of this kind. Repeat the action."))
            done = len(found.resubmitted)
            self.log_change(request, task, f"Resubmitted {done} failures of kind {fingerprint}.")

    def after_resubmit(self, request: HttpRequest, task: Task, new_id: str) -> None:
        """Log it; delete the failure where its new task has another id, and so another row."""
        if new_id == task.pk:
            self.log_change(request, task, "Resubmitted under its own id.")
            return
        self.log_change(request, task, f"Resubmitted as {new_id}.")
        delete_replaced(task)
