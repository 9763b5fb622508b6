"""Orders given on pages of the admin and of the dashboard: cancel, pause, resume, limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.contrib import messages
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.conf import logger
from django_q.models import Unfinished
from django_q.orders.answers import answer_texts
from django_q.orders.cancelling import REMOVED, REQUESTED, cancel
from django_q.orders.steering import queue
from django_q.task_state.cancellation import MAX_REASON_LENGTH
from django_q.text.error_text import short_error_text

#: The permissions that orders need.
CANCEL_PERMISSION = "django_q.cancel_tasks"
PAUSE_PERMISSION = "django_q.pause_queue"
LIMIT_PERMISSION = "django_q.limit_queue"
STOP_PERMISSION = "django_q.stop_clusters"
#: Orders for tasks, as the page offers them.
TASK_ORDERS = {
    "cancel": gettext_lazy("Cancel selected tasks"),
    "cancel_groups": gettext_lazy("Cancel the groups of selected tasks"),
}
#: Characters of a name in the log of the admin.
MAX_LOGGED_LENGTH = 200
#: What the log of the admin calls a change.
CHANGE_FLAG = 2

#: An order: the permission that it needs, and what gives it and says what became of it.
Order = tuple[str, Callable[[HttpRequest], None]]


def give_order(request: HttpRequest, orders: Mapping[str, Order]) -> bool:
    """Give the order that was sent by the page, and say what became of it; False if it is none.

    ``orders`` are those of the page, by the value of ``action``. Raises ``PermissionDenied``.
    """
    permission, give = orders.get(request.POST.get("action", ""), (None, None))
    if give is None:
        return False
    if not request.user.has_perm(permission):
        raise PermissionDenied
    try:
        give(request)
    except Exception as error:  # the broker's, or a refusal
        logger.warning("an order of the admin could not be given", exc_info=True)
        tell(request, messages.ERROR, short_error_text(error))
    return True


def cancel_tasks(request: HttpRequest) -> None:
    """Cancel the selected tasks, and say how many of them never begin, and how many may end."""
    answers: Counter[str] = Counter()
    for task_id, _group in selected(request):
        given = order_details(request)
        try:
            answer = cancel(task_id, queue=request.POST.get("queue"), **given)
        except Exception as error:
            text = _("Task %(id)s was not cancelled: %(error)s")
            error_text = short_error_text(error)
            tell(request, messages.ERROR, text % {"id": task_id, "error": error_text})
        else:
            answers[answer] += 1
            log_order(request, task_id, f"Cancelled: {answer}.{reason_text(given)}")
    tell_answers(request, answers)


def cancel_groups(request: HttpRequest) -> None:
    """Cancel the groups of the selected tasks."""
    groups = sorted({group for _task_id, group in selected(request) if group})
    if not groups:
        tell(request, messages.WARNING, _("None of the selected tasks has a group."))
    for group in groups:
        given = order_details(request)
        cancel(group=group, queue=request.POST.get("queue"), **given)
        log_order(request, group, f"Cancelled the group.{reason_text(given)}")
        text = _("The tasks of group %(group)s are cancelled. Those that run may still end.")
        tell(request, messages.SUCCESS, text % {"group": group})


def pause_queue(request: HttpRequest) -> None:
    """Pause a queue."""
    chosen = queue(request.POST.get("queue"))
    chosen.pause()
    log_order(request, chosen.name, "Paused the queue.")
    text = _("Queue %(queue)s is paused. What clusters have taken by now goes on.")
    tell(request, messages.SUCCESS, text % {"queue": chosen.name})


def resume_queue(request: HttpRequest) -> None:
    """End the pause of a queue, and those of single clusters."""
    chosen = queue(request.POST.get("queue"))
    paused = [None, *sorted(chosen.control().paused_clusters)]
    if sum(chosen.resume(cluster) for cluster in paused):  # all of them
        log_order(request, chosen.name, "Resumed the queue.")
        text = _("Queue %(queue)s is resumed.")
    else:
        text = _("Queue %(queue)s was not paused.")
    tell(request, messages.SUCCESS, text % {"queue": chosen.name})


def limit_queue(request: HttpRequest) -> None:
    """Set the limit of a queue; an empty one is none."""
    chosen = queue(request.POST.get("queue"))
    limit = request.POST.get("limit", "").strip() or None
    chosen.limit(limit)
    log_order(request, chosen.name, f"Set the limit of the queue: {limit}.")
    if limit is None:
        text = _("Queue %(queue)s has no limit.")
    else:
        text = _("At most %(limit)s tasks of queue %(queue)s are taken at a time.")
    tell(request, messages.SUCCESS, text % {"queue": chosen.name, "limit": limit})


def cancel_queue(request: HttpRequest) -> None:
    """Cancel all tasks of a queue, those that run as well."""
    given, name = order_details(request), queue(request.POST.get("queue")).name
    cancel(queue=name, **given)
    log_order(request, name, f"Cancelled all tasks of the queue.{reason_text(given)}")
    text = _("All tasks of queue %(queue)s are cancelled. Those that run may still end.")
    tell(request, messages.SUCCESS, text % {"queue": name})


def pause_cluster(request: HttpRequest) -> None:
    """Let one cluster take no more tasks; it ends those that it holds."""
    chosen, cluster = queue(request.POST.get("queue")), request.POST.get("cluster", "")
    chosen.pause(cluster)
    log_order(request, chosen.name, f"Paused the queue for cluster {cluster}.")
    text = _(
        "This cluster takes no more tasks of queue %(queue)s. What it has taken by now goes on."
    )
    tell(request, messages.SUCCESS, text % {"queue": chosen.name})


def resume_cluster(request: HttpRequest) -> None:
    """Let a cluster take tasks again."""
    chosen, cluster = queue(request.POST.get("queue")), request.POST.get("cluster", "")
    chosen.resume(cluster)
    log_order(request, chosen.name, f"Resumed the queue for cluster {cluster}.")
    text = _("This cluster takes tasks of queue %(queue)s again.")
    tell(request, messages.SUCCESS, text % {"queue": chosen.name})


def stop_cluster(request: HttpRequest) -> None:
    """Stop a cluster in good order."""
    chosen, cluster = queue(request.POST.get("queue")), request.POST.get("cluster", "")
    chosen.stop_cluster(cluster, **order_details(request))
    log_order(request, cluster, "Stopped the cluster.")
    text = _("The cluster stops when it has ended what it has taken.")
    tell(request, messages.SUCCESS, text)


#: Those for a queue and its tasks, by the value of ``action``.
QUEUE_ORDERS: dict[str, Order] = {
    "cancel": (CANCEL_PERMISSION, cancel_tasks),
    "cancel_groups": (CANCEL_PERMISSION, cancel_groups),
    "pause": (PAUSE_PERMISSION, pause_queue),
    "resume": (PAUSE_PERMISSION, resume_queue),
    "limit": (LIMIT_PERMISSION, limit_queue),
    "cancel_queue": (CANCEL_PERMISSION, cancel_queue),
}
#: Those for one cluster.
CLUSTER_ORDERS: dict[str, Order] = {
    "pause_cluster": (PAUSE_PERMISSION, pause_cluster),
    "resume_cluster": (PAUSE_PERMISSION, resume_cluster),
    "stop_cluster": (STOP_PERMISSION, stop_cluster),
}


def selected(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield the ids and groups of the selected tasks, as ``selection_value`` has written them."""
    for value in request.POST.getlist("_selected_action"):
        task_id, _space, group = value.partition(" ")
        yield task_id, group


def selection_value(task_id: str, group: str | None) -> str:
    """Write the id and the group of a task as the value of its checkbox."""
    value = f"{task_id} {group or ''}"
    return value.encode(errors="backslashreplace").decode()  # lone surrogates can not be sent


def order_details(request: HttpRequest) -> dict[str, str]:
    """Return who gives an order, and why."""
    reason = request.POST.get("reason", "").strip()[:MAX_REASON_LENGTH]
    return {"by": request.user.get_username(), "reason": reason}


def reason_text(given: dict[str, str]) -> str:
    """Write a reason for the log."""
    return f" Reason: {given['reason']}" if given["reason"] else ""


def tell_answers(request: HttpRequest, answers: Counter[str]) -> None:
    """Say what became of the tasks that were cancelled."""
    texts = answer_texts(answers)
    if not answers and not request.POST.getlist("_selected_action"):
        tell(request, messages.WARNING, _("No task is selected."))
    for answer, text in texts.items():
        if answers[answer]:
            is_done = answer in (REMOVED, REQUESTED)
            tell(request, messages.SUCCESS if is_done else messages.WARNING, text % answers[answer])


def tell(request: HttpRequest, level: int, text: Any) -> None:
    """Say on the next page what became of an order; nothing where the project has no messages."""
    messages.add_message(request, level, text, fail_silently=True)


def log_order(
    request: HttpRequest, object_id: str, text: str, *, model: Any = Unfinished, name: str = ""
) -> None:
    """Write an order for a task, a group or a queue into the log of the admin.

    ``model`` is that of what the order is for, ``name`` what it is called, if that is not its id.
    Nothing where the project has no admin.
    """
    if not apps.is_installed("django.contrib.admin"):
        return
    kind = ContentType.objects.get_for_model(model, for_concrete_model=False)
    apps.get_model("admin", "LogEntry").objects.create(
        user_id=request.user.pk,
        content_type_id=kind.pk,
        object_id=object_id,
        object_repr=(name or object_id)[:MAX_LOGGED_LENGTH],
        action_flag=CHANGE_FLAG,
        change_message=text,
    )
