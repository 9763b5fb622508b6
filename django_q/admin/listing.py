"""Lists of the admin that stay fast on tables of millions of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Case, F, QuerySet, TextField, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Length
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.display import single_line, time_element, wrapping_class, wrapping_path
from django_q.models import pickle_preview

#: Rows up to which a list shows the exact number.
EXACT_COUNT_ROWS = 20_000
#: Rows beyond which a database that can not estimate stops counting.
MAX_COUNTED_ROWS = 100_000
#: The latest tasks whose values a filter offers.
FILTER_SAMPLE_ROWS = 1000


def rough_count(rows: QuerySet) -> int:
    """Count rows: exactly up to 20,000, and not all of them beyond that.

    PostgreSQL's planner gives an estimate; elsewhere the count stops at 100,000.
    """
    rows = rows.order_by()
    if connections[rows.db].vendor == "postgresql":
        plan = json.loads(rows.values("pk").explain(format="json"))[0]["Plan"]
        if plan["Plan Rows"] > EXACT_COUNT_ROWS:
            return plan["Plan Rows"]
    return rows.values("pk")[:MAX_COUNTED_ROWS].count()


class RoughPaginator(Paginator):
    """A paginator whose number of rows is that of ``rough_count``."""

    @cached_property
    def count(self) -> int:
        """The number of rows; where there are many, an estimate or a limit."""
        return rough_count(self.object_list)


def small_column(column: str) -> Case:
    """Select a column where it is small, else None: this limits the memory of a page."""
    text = Cast(F(column), TextField())
    return Case(
        When(**{f"{column}_length__lte": pickle_preview.MAX_PREVIEW_LENGTH}, then=text),
        default=Value(None),
        output_field=TextField(),
    )


def with_small_column(rows: QuerySet, column: str) -> QuerySet:
    """Select a column as ``small_...``: its text, or None where that is large."""
    length = Length(Cast(F(column), TextField()))
    return rows.annotate(**{f"{column}_length": length}).annotate(
        **{f"small_{column}": small_column(column)}
    )


class DeferringChangeList(ChangeList):
    """A list whose query leaves out the heavy columns that its admin names."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet:
        """Leave out the columns that the list does not show."""
        return self.model_admin.without_heavy_columns(
            super().get_queryset(request, *args, **kwargs)
        )


class WrappingListMixin:
    """A list whose wide columns may wrap; subclasses name the columns by their fields."""

    shown_as = {
        "func": "shown_func",
        "started": "shown_started",
        "begun": "shown_begun",
        "stopped": "shown_stopped",
        "next_run": "shown_next_run",
        "lock": "shown_lock",
    }

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Replace the fields in ``shown_as`` by the methods that show them."""
        return [self.shown_as.get(name, name) for name in super().get_list_display(request)]

    @admin.display(description=_("function"), ordering="func")
    def shown_func(self, row: Any) -> str:
        """Show the function."""
        return wrapping_path(row.func)

    @admin.display(description=_("started"), ordering="started")
    def shown_started(self, row: Any) -> str:
        """Show when it was enqueued."""
        return time_element(row.started)

    @admin.display(description=_("last attempt began"), ordering="begun")
    def shown_begun(self, row: Any) -> str:
        """Show when its last attempt began."""
        return time_element(row.begun)

    @admin.display(description=_("stopped"), ordering="stopped")
    def shown_stopped(self, row: Any) -> str:
        """Show when it ended."""
        return time_element(row.stopped)

    @admin.display(description=_("next run"), ordering="next_run")
    def shown_next_run(self, row: Any) -> str:
        """Show when it is due."""
        return time_element(row.next_run)

    @admin.display(description=_("locked until"), ordering="lock")
    def shown_lock(self, row: Any) -> str:
        """Show until when it is leased or delayed."""
        return time_element(row.lock)


class LargeTableMixin(WrappingListMixin):
    """A list of a table that may be large: without heavy columns and exact counts of rows."""

    paginator = RoughPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 500

    def without_heavy_columns(self, rows: QuerySet) -> QuerySet:
        """Leave out the columns that the list does not show."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Use the list that leaves out heavy columns."""
        return DeferringChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Make the name of the model the title; Django's own asks to select a row to change."""
        title = capfirst(self.model._meta.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: tasks are enqueued by code."""
        return False


def uses_task_backend() -> bool:
    """Return True if ``TASKS`` names a backend that is not one of the framework's own."""
    setting = getattr(settings, "TASKS", None) or {}
    paths = [str(each.get("BACKEND", "")) for each in setting.values()]
    return any(not path.startswith(("django.tasks.", "django_tasks.")) for path in paths)


def task_queue_text(queue: Any, backend: Any) -> str:
    """Name the queue of a task of Django's framework and its backend; empty for other tasks."""
    return f"{single_line(queue)} ({single_line(backend)})" if backend else ""


class TaskQueueMixin:
    """A list of finished tasks that shows and filters those of Django's framework by queue.

    Only where the project has tasks of that framework.
    """

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show the queue behind the cluster."""
        shown = list(super().get_list_display(request))
        if uses_task_backend():
            shown.insert(shown.index("cluster") + 1 if "cluster" in shown else 1, "task_queue")
        return shown

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filter by queue and backend."""
        filters = list(super().get_list_filter(request))
        return [*filters, TaskQueueFilter, TaskBackendFilter] if uses_task_backend() else filters

    def with_task_queue(self, rows: QuerySet) -> QuerySet:
        """Select what ``task_queue`` shows: to load the options would be slow."""
        if not uses_task_backend():
            return rows
        return rows.annotate(queue_name=KT("options__queue"), backend_alias=KT("options__backend"))

    @admin.display(description=_("task queue"))
    def task_queue(self, task: Any) -> str:
        """Show the queue of a task of Django's framework, and its backend."""
        if hasattr(task, "backend_alias"):
            return task_queue_text(task.queue_name, task.backend_alias)
        options = task.options if isinstance(task.options, dict) else {}
        return task_queue_text(options.get("queue"), options.get("backend"))


class RecentValuesFilter(admin.SimpleListFilter):
    """Filters by a column, offering the values that it has in the latest rows.

    To find all values, a large table would have to be read completely.
    """

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Sequence[tuple]:
        """List the values, and the one that is chosen."""
        rows = model_admin.get_queryset(request).order_by("-stopped")
        recent = set(rows.values_list(self.parameter_name, flat=True)[:FILTER_SAMPLE_ROWS])
        return [(value, value) for value in sorted((recent | {self.value()}) - {None, ""})]

    def value(self) -> str | None:
        """Return the value that is chosen."""
        return self.used_parameters.get(self.parameter_name)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the rows that have the value."""
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class GroupFilter(RecentValuesFilter):
    """Filters tasks by group."""

    title = _("group")
    parameter_name = "group"


class ClusterFilter(RecentValuesFilter):
    """Filters tasks by cluster."""

    title = _("cluster")
    parameter_name = "cluster"


class OptionFilter(RecentValuesFilter):
    """Filters tasks by an option that their rows give back as text."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Sequence[tuple]:
        """Leave out what is no text: rows may come from other producers."""
        rows = model_admin.get_queryset(request).order_by("-stopped")
        recent = rows.values_list(self.parameter_name, flat=True)[:FILTER_SAMPLE_ROWS]
        found = {value for value in (*recent, self.value()) if value and isinstance(value, str)}
        return [(value, value) for value in sorted(found)]


class TaskQueueFilter(OptionFilter):
    """Filters tasks of Django's framework by their queue."""

    title = _("task queue")
    parameter_name = "options__queue"


class TaskBackendFilter(OptionFilter):
    """Filters tasks of Django's framework by their backend."""

    title = _("task backend")
    parameter_name = "options__backend"


class ExceptionFilter(RecentValuesFilter):
    """Filters failures by the class of their exception."""

    title = _("exception")
    parameter_name = "exception"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Sequence[tuple]:
        """Let the paths of classes wrap."""
        found = super().lookups(request, model_admin)
        return [(path, wrapping_class(path)) for path, _path in found]


class FingerprintFilter(RecentValuesFilter):
    """Filters failures by their kind; offers the kind that is chosen, and no other."""

    title = _("fingerprint")
    parameter_name = "fingerprint"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Sequence[tuple]:
        """List the fingerprint that is chosen, as far as there is room."""
        return [(self.value(), self.value()[:12])] if self.value() else []
