"""The admin of the ORM broker's queue."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_q.admin.listing import LargeTableMixin, with_small_column
from django_q.brokers.terms import DELAYED, LEASED, WAITING
from django_q.conf import Conf
from django_q.dashboard.display import single_line, state_cell, value_block, wrapping_path
from django_q.dashboard.hidden_values import positional_with_dots, with_dots
from django_q.models import OrmQ, pickle_preview


class QueueAdmin(LargeTableMixin, admin.ModelAdmin):
    """Tasks in the queue: to view, to unlock, to delete."""

    list_display = ("id", "key", "name", "group", "func", "state", "attempts", "priority",
                    "task_id")  # fmt: skip
    list_filter = ("key",)
    search_fields = ("key",)
    ordering = ("id",)
    fields = ("key", "lock", "state", "priority", "attempts", "task_id", "name",
              "group", "func", "call_args", "call_kwargs", "call_options")  # fmt: skip
    readonly_fields = fields[2:]
    shown_as = {"lock": "shown_lock"}

    class Media:
        css = {"all": ["django_q/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Read the database of the ORM broker."""
        return super().get_queryset(request).using(Conf.ORM or None)

    def without_heavy_columns(self, rows: QuerySet) -> QuerySet:
        """Leave large payloads out of the list."""
        return with_small_column(rows.defer("payload"), "payload")

    def save_model(self, request: HttpRequest, obj: OrmQ, form: Any, change: bool) -> None:
        """Save the queue and the lock alone, in the database of the ORM broker."""
        obj.save(using=Conf.ORM, update_fields=["key", "lock"])

    def delete_model(self, request: HttpRequest, obj: OrmQ) -> None:
        """Delete the task from the database of the ORM broker."""
        obj.delete(using=Conf.ORM)

    def package(self, queued: OrmQ) -> dict[str, Any]:
        """Return the package of a task; in a list no more than a preview of it."""
        if not hasattr(queued, "small_payload"):
            return queued.task
        if not hasattr(queued, "previewed"):
            queued.previewed = OrmQ.preview(queued.small_payload) if queued.small_payload else {}
        return queued.previewed

    @admin.display(description=_("name"))
    def name(self, queued: OrmQ) -> str:
        """Show the name of the task."""
        return single_line(self.package(queued).get("name"))

    @admin.display(description=_("group"))
    def group(self, queued: OrmQ) -> str:
        """Show the group of the task."""
        return single_line(self.package(queued).get("group"))

    @admin.display(description=_("function"))
    def func(self, queued: OrmQ) -> str:
        """Show the function of the task; of a large one how large it is."""
        if getattr(queued, "small_payload", "") is None:
            return _("(%d characters)") % queued.payload_length
        return wrapping_path(pickle_preview.function_name(self.package(queued).get("func")))

    @admin.display(description=_("task id"))
    def task_id(self, queued: OrmQ) -> str:
        """Show the id of the task."""
        return single_line(self.package(queued).get("id"))

    @admin.display(description=_("state"), ordering="lock")
    def state(self, queued: OrmQ) -> str:
        """Show whether it waits, is leased or delayed, until when, and when it expires."""
        if queued.lock is None or queued.lock <= timezone.now():
            state = WAITING
        else:  # the number of the delivery is odd while the row is leased
            state = LEASED if queued.attempts and queued.delivery % 2 else DELAYED
        return state_cell(state, queued.lock, queued.expires)

    @admin.display(description=_("priority"), ordering="-rank")
    def priority(self, queued: OrmQ) -> int:
        """Show the priority: higher ones come first."""
        return -(queued.rank or 0)

    @admin.display(description=_("arguments"))
    def call_args(self, queued: OrmQ) -> str:
        """Show the positional arguments."""
        return value_block(positional_with_dots(queued.func(), queued.args()))

    @admin.display(description=_("keyword arguments"))
    def call_kwargs(self, queued: OrmQ) -> str:
        """Show the keyword arguments."""
        return value_block(with_dots(queued.kwargs()))

    @admin.display(description=_("options"))
    def call_options(self, queued: OrmQ) -> str:
        """Show the options of the task."""
        return value_block(with_dots(queued.q_options()))
