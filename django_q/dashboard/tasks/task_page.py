"""The page of one task: what has happened to it, what it was called with, what came of it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.dashboard.access import VIEW_TASKS, sees_values
from django_q.dashboard.display import (
    attempts_of_all,
    duration,
    near_time,
    progress_cell,
    single_line,
    time_element,
    value_block,
)
from django_q.dashboard.hidden_values import HIDDEN_NOTE
from django_q.dashboard.page import Page
from django_q.dashboard.task_search.listed_task import SUCCEEDED
from django_q.dashboard.tasks.columns import state_badge
from django_q.dashboard.tasks.found_task import FoundTask, StoredValue, find_task, finished_task
from django_q.dashboard.tasks.links import links_of
from django_q.dashboard.tasks.logs import logs_of, stack_of
from django_q.dashboard.tasks.task_list import permitted_states
from django_q.dashboard.tasks.task_orders import TASK_PAGE_ORDERS, offered
from django_q.dashboard.tasks.timeline import timeline
from django_q.dashboard.tasks.tracebacks import frames_of, split_error
from django_q.task_state.cancellation import MAX_REASON_LENGTH
from django_q.unfinished.reading import normal_id
from django_q.unfinished.task import RUNNING

#: Where an answer tells how many characters a value has that is too large.
TOO_LARGE = gettext_lazy("(%d characters)")


class TaskPage(Page):
    """A task by its id, whatever its state."""

    template_name = "django_q/dashboard/task.html"
    title = gettext_lazy("Task")
    section = "tasks"
    permissions = VIEW_TASKS
    orders = TASK_PAGE_ORDERS

    def content(self, request: HttpRequest, task_id: str = "", **parts: Any) -> dict[str, Any]:
        """Return what is known of the task."""
        found = seen_task(request, task_id)
        if found is None:
            return {"errors": [not_found_text(task_id)]}
        task, pages = found.listed, f"{request.resolver_match.namespace}:"
        can = {name for name, (permission, _give) in self.orders.items()
               if request.user.has_perm(permission)}  # fmt: skip
        sees = sees_values(request.user)
        head, trace = split_error(found.error)
        return {
            "title": single_line(task.name) or task.id,
            "task": task,
            "is_still": not task.is_unfinished,
            "state": state_badge(task.state),
            "progress": progress_cell(task.done, task.total, single_line(task.note)),
            "events": list(timeline(found)),
            "facts": [(title, text) for title, text in facts_of(found) if text not in ("", None)],
            "links": list(links_of(found, request.user, pages)),
            "values": list(values_of(found)) if sees else [],
            "hidden_text": "" if sees else HIDDEN_NOTE,
            "is_running": task.state == RUNNING,
            "stack": stack_of(task) if "show_stack" in can else None,
            "logs": logs_of(task) if sees else [],
            "error": head,
            "frames": frames_of(trace),
            "offered": offered(task.is_unfinished, task.state == SUCCEEDED, can),
            "selection": f"{task.id} {task.group}",
            "max_reason_length": MAX_REASON_LENGTH,
            "text_address": reverse(f"{pages}task_error", kwargs={"task_id": task.id}),
        }

    def post(self, request: HttpRequest, **parts: Any) -> HttpResponse:
        """Give the order; behind a deletion show the list, as the page is gone."""
        response = super().post(request, **parts)
        if request.POST.get("action", "").startswith("delete_"):
            return HttpResponseRedirect(reverse(f"{request.resolver_match.namespace}:tasks"))
        return response


class TaskErrorPage(Page):
    """The text of a failure, to be kept as a file."""

    permissions = VIEW_TASKS

    def get(self, request: HttpRequest, task_id: str = "", **parts: Any) -> HttpResponse:
        """Send the text. Raises ``Http404`` for a task that has not failed."""
        found = permitted_task(request, finished_task(normal_id(task_id)))
        if found is None or not found.error:
            raise Http404
        response = HttpResponse(found.error, content_type="text/plain; charset=utf-8")
        name = "".join(each for each in found.listed.id if each.isalnum())
        response["Content-Disposition"] = f'attachment; filename="task-{name}.txt"'
        response["X-Content-Type-Options"] = "nosniff"
        return response


def seen_task(request: HttpRequest, task_id: str) -> FoundTask | None:
    """Find a task that a user may see. Raises ``PermissionDenied`` for one of another state."""
    return permitted_task(request, find_task(task_id, request.GET.get("queue")))


def permitted_task(request: HttpRequest, found: FoundTask | None) -> FoundTask | None:
    """Return a task that was found. Raises ``PermissionDenied`` unless the user may see it."""
    if found and found.listed.state not in permitted_states(request.user):
        raise PermissionDenied
    return found


def not_found_text(task_id: str) -> str:
    """Say that nothing is known of a task, and why that may be."""
    text = _("No task %(id)s is known. A result that was not saved, or was deleted, is gone; a "
             "plain task that waits on Redis is found by its queue alone.")  # fmt: skip
    return text % {"id": single_line(task_id, 40)}


def facts_of(found: FoundTask) -> Any:
    """Yield what is known of a task beside its values: titles and texts."""
    task = found.listed
    yield _("task id"), task.id
    yield _("queue"), task.queue
    yield _("worker"), task.worker
    yield _("enqueued"), task.enqueued and time_element(task.enqueued)
    yield _("time taken"), None if task.seconds is None else duration(task.seconds)
    if found.retries is None:
        yield _("attempts"), task.attempt or ""
    else:
        yield _("attempts"), attempts_of_all(max(len(found.ends), task.attempt), found.retries)
    yield _("priority"), found.priority or ""
    yield _("expires"), found.expires and near_time(found.expires)
    yield _("hook"), single_line(found.hook)


def values_of(found: FoundTask) -> Any:
    """Yield the values of a task: titles and blocks of text."""
    if found.args.is_known:
        yield _("arguments"), shown_value(found.args)
        yield _("keyword arguments"), shown_value(found.kwargs)
    if found.listed.state == SUCCEEDED:
        yield _("result"), shown_value(found.result)
    if found.options:
        yield _("options"), value_block(found.options)


def shown_value(stored: StoredValue) -> Any:
    """Show the preview of a value, or how large it is."""
    return TOO_LARGE % stored.length if stored.is_too_large else value_block(stored.value)
