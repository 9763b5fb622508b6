"""The admin of the ORM broker's queue."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_q.admin.hidden_values import HiddenValuesMixin
from django_q.admin.listing import LargeTableMixin, with_small_column
from django_q.brokers.base import DEAD_SUFFIX
from django_q.brokers.terms import DELAYED, LEASED, WAITING
from django_q.conf import Conf
from django_q.dashboard.display import (
    badge,
    single_line,
    state_cell,
    value_block,
    wrapping_class,
    wrapping_path,
)
from django_q.dashboard.hidden_values import keywords_with_dots, positional_with_dots, with_dots
from django_q.models import OrmQ, pickle_preview
from django_q.unfinished.task import UNREADABLE_MARK

#: The newest tasks whose payloads a search reads.
MAX_SEARCHED_TASKS = 1000


def is_in_payload(text: str, payload: str) -> bool:
    """Return True if the name, the function, the group or the id of a payload has a text."""
    package = OrmQ.preview(payload)
    func = pickle_preview.function_name(package.get("func"))
    texts = (func, *(single_line(package.get(key)) for key in ("name", "group", "id")))
    return any(text in each.lower() for each in texts)


class QueueAdmin(HiddenValuesMixin, LargeTableMixin, admin.ModelAdmin):
    """Tasks in the queue: to view, to unlock, to delete."""

    list_display = ("id", "key", "name", "group", "func", "state", "attempts", "priority",
                    "task_id")  # fmt: skip
    list_filter = ("key",)
    search_fields = ("key",)
    search_help_text = _("Queue or id; name, function or group of the newest 1,000")
    ordering = ("id",)
    actions = ("put_back",)
    fields = ("key", "lock", "state", "priority", "attempts", "task_id", "name",
              "group", "func", "call_args", "call_kwargs", "call_options")  # fmt: skip
    readonly_fields = fields[2:]
    value_fields = ("call_args", "call_kwargs", "call_options", "payload")
    shown_as = {"lock": "shown_lock"}

    class Media:
        css = {"all": ["django_q/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Read the database of the ORM broker."""
        return super().get_queryset(request).using(Conf.ORM or None)

    def without_heavy_columns(self, rows: QuerySet) -> QuerySet:
        """Leave large payloads out of the list."""
        return with_small_column(rows.defer("payload"), "payload")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Search queues by name, and of the newest tasks what their payloads say."""
        term = search_term.strip()
        if not term:
            return queryset, False
        newest = with_small_column(queryset.order_by("-pk"), "payload")
        rows = newest.values_list("pk", "small_payload")[:MAX_SEARCHED_TASKS]
        found = [pk for pk, payload in rows if payload and is_in_payload(term.lower(), payload)]
        matches = Q(key__icontains=term) | Q(tracked_id=term) | Q(pk__in=found)
        return queryset.filter(matches), False

    @admin.action(description=_("Put back selected tasks that were put aside"),
                  permissions=["change"])  # fmt: skip
    def put_back(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Move tasks from the dead-letter queue into the queue that they came from."""
        done = 0
        for queued in queryset.filter(key__endswith=DEAD_SUFFIX).defer("payload"):
            queued.key, queued.lock, queued.attempts = queued.key.removesuffix(DEAD_SUFFIX), None, 0
            queued.save(using=Conf.ORM, update_fields=["key", "lock", "attempts"])
            self.log_change(request, queued, f"Put back into {queued.key}.")
            done += 1
        text = ngettext("%d task was put back.", "%d tasks were put back.", done)
        messages.success(request, text % done) if done else messages.warning(
            request, _("None of the selected tasks was put aside.")
        )

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
        """Show whether it waits, is leased or delayed, until when, and when it expires.

        One in the dead-letter queue waits for nothing: no cluster takes it from there.
        """
        if queued.key.endswith(DEAD_SUFFIX):
            task_id = single_line(self.package(queued).get("id"))
            cause = task_id.removeprefix(UNREADABLE_MARK) if task_id[:1] == UNREADABLE_MARK else ""
            return format_html(
                "{}<div>{}</div>", badge("bad", _("Put aside")), wrapping_class(cause)
            )
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
        return value_block(keywords_with_dots(queued.func(), queued.kwargs()))

    @admin.display(description=_("options"))
    def call_options(self, queued: OrmQ) -> str:
        """Show the options of the task."""
        return value_block(with_dots(queued.q_options()))
