"""Orders for one task: resubmit it, delete it, show its stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import router, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import CANCEL_ORDER
from django_q.calls.resubmission import delete_replaced, resubmit
from django_q.dashboard.orders import CANCEL_PERMISSION, Order, cancel_tasks, log_order, tell
from django_q.models import Failure, Success, Task
from django_q.models.task import HAS_ENDED, with_outcome
from django_q.orders.showing import ask, can_ask
from django_q.task_state.shown import STACK
from django_q.text.error_text import short_error_text
from django_q.unfinished.reading import broker_for

#: The permission to see where the code of a task is that runs.
STACK_PERMISSION = "django_q.show_stack"


def ended_task(request: HttpRequest, success: bool) -> Task | None:
    """Find the task of the page that sent an order, if it has ended like that."""
    task_id = request.resolver_match.kwargs["task_id"]
    task = with_outcome(Task.objects.filter(HAS_ENDED, pk=task_id), success=success).first()
    if task is None:
        tell(request, messages.WARNING, _("It has not ended, or was deleted."))
    return task


def resubmit_or_tell(request: HttpRequest, task: Task) -> str | None:
    """Run a task again, and return the id it has then; say why it can not be, and return None."""
    try:
        # A savepoint, so that a database error leaves the request's transaction usable.
        with transaction.atomic(using=router.db_for_write(Task)):
            return resubmit(task)
    except Exception as error:  # the broker's, or that of an argument's class
        text = _("%(task)s was not resubmitted: %(error)s")
        tell(request, messages.ERROR, text % {"task": task, "error": short_error_text(error)})
        return None


def resubmit_task(success: bool) -> Callable[[HttpRequest], None]:
    """Make the order to run a task again that has ended like that."""

    def order(request: HttpRequest) -> None:
        task = ended_task(request, success)
        if task is None:
            return
        new_id = resubmit_or_tell(request, task)
        if new_id is None:
            return
        model = Success if success else Failure
        how = "under its own id" if new_id == task.pk else f"as {new_id}"
        log_order(request, task.pk, f"Resubmitted {how}.", model=model, name=task.name)
        text = ngettext("%d task was resubmitted.", "%d tasks were resubmitted.", 1)
        tell(request, messages.SUCCESS, text % 1)
        if not success and new_id != task.pk:
            delete_replaced(task)

    return order


def delete_task(success: bool) -> Callable[[HttpRequest], None]:
    """Make the order to delete the row of a task that has ended like that."""

    def order(request: HttpRequest) -> None:
        task = ended_task(request, success)
        if task is not None:
            task_id = task.pk
            task.delete()
            log_order(request, task_id, "Deleted.", model=Success if success else Failure)
            tell(request, messages.SUCCESS, _("Task %(id)s was deleted.") % {"id": task_id})

    return order


def show_stack(request: HttpRequest) -> None:
    """Ask the cluster that runs the task of the page for its stack."""
    task_id, broker = request.resolver_match.kwargs["task_id"], broker_of_order(request)
    if not can_ask(broker):
        raise broker.unsupported(CANCEL_ORDER)
    ask(broker, STACK, task_id, by=request.user.get_username())
    log_order(request, task_id, "Asked for its stack.")
    text = _("The cluster that runs it was asked for its stack, which is shown here in a moment.")
    tell(request, messages.INFO, text)


def broker_of_order(request: HttpRequest) -> Broker:
    """Return the broker of the queue that an order names."""
    return broker_for(request.POST.get("queue") or None)


#: By the value of ``action``. What one may do to a success is another permission.
TASK_PAGE_ORDERS: dict[str, Order] = {
    "cancel": (CANCEL_PERMISSION, cancel_tasks),
    "show_stack": (STACK_PERMISSION, show_stack),
    "resubmit_success": ("django_q.change_success", resubmit_task(True)),
    "resubmit_failure": ("django_q.change_failure", resubmit_task(False)),
    "delete_success": ("django_q.delete_success", delete_task(True)),
    "delete_failure": ("django_q.delete_failure", delete_task(False)),
}


def offered(state_is_unfinished: bool, success: bool, can: Any) -> dict[str, str]:
    """Return which orders a page offers: the value of ``action`` by what it does."""
    if state_is_unfinished:
        return {name: name for name in ("cancel", "show_stack") if name in can}
    outcome = "success" if success else "failure"
    names = {verb: f"{verb}_{outcome}" for verb in ("resubmit", "delete")}
    return {verb: name for verb, name in names.items() if name in can}
