"""Submit the call of a finished task once more: exactly as it was, or not at all.

The row keeps the name of the function, the arguments and the options. A call that these do not
describe completely is refused, as it would become another one: a method without its instance, or a
class in place of its object.

A failure is run again under its own id, so that whoever waits for that gets the result. Its row is
marked in the transaction in which the task is enqueued, and is replaced by the new end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, router, transaction
from django.utils.translation import gettext as _

from django_q.brokers import adapt_broker
from django_q.brokers.contract.orders import CANCEL_ORDER
from django_q.calls.composition import chosen_broker, dispatch, options_of
from django_q.calls.enqueueing import served_options
from django_q.conf import Conf, logger
from django_q.exceptions import AlreadyEnqueued, PackageError
from django_q.execution.run_details import log_fields
from django_q.models import Task
from django_q.models.task import HAS_ENDED
from django_q.orders.notices import withdraw_quietly
from django_q.task_state.cancellation import task_key
from django_q.text.error_text import error_summary, short_error_text
from django_q.unfinished.reruns import earlier_ends, mark_rerun, why_unfinished
from django_q.wire.callables import resolve_callable
from django_q.wire.framework_call import FRAMEWORK_KEYS
from django_q.wire.option_types import REJECT, is_path
from django_q.wire.package import RETRY_OPTIONS, TaskPackage, encodes_time, link_id, new_package

#: The id of an iterable: a UUID of version 4.
ITERABLE_ID_PATTERN = re.compile("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")
#: Options in the row of a task that its new call has, too. Times were those of the first call, and
#: an idempotency key stands for the task that has ended: it would keep the new one from the queue.
KEPT_OPTIONS = RETRY_OPTIONS | {
    *("priority", "track", "timeout", "soft_timeout", "max_attempts", "ack_failure"),
}
#: Those that are kept as well, unless the ended task itself has the key for a while.
UNIQUE_OPTIONS = frozenset({"unique", "unique_for"})
#: What a failure that is run again under its id needs: to be found in its queue, and to leave a
#: row, in place of that which it has.
RERUN_OPTIONS = {"track": True, "save": True, "cached": False}
#: Rows that are read at a time.
RESUBMITTED_ROWS = 100


class NotRepeatable(PackageError):
    """Raised when a task can not be submitted again as it was."""


class Resubmission(NamedTuple):
    """What became of the failures of a kind that were to be run again."""

    #: The ids of those that are in the queue again.
    resubmitted: list[str]
    #: Why others are not, by their ids.
    refused: dict[str, str]
    #: Whether there are more than were asked for.
    has_more: bool


def resubmit(task: Task) -> str:
    """Enqueue the call of a task once more, with its hook, group, cluster and options.

    A failure is run again under its own id, and counts as unfinished until it has ended again;
    a success gets a new id, and so does a failure behind which its chain has gone on, or whose
    broker finds no task by its id. Returns the id.

    Raises ``NotRepeatable`` where that would be another call, where another task has its unique
    key, or where it is being run again already; and what ``async_task`` raises. When it returns the
    task is in the queue, whether or not an open transaction commits.
    """
    check_repeatable(task)
    call = {
        **kept_options(task, KEPT_OPTIONS),
        "hook": task.hook_name,
        "group": task.group,
        "cluster": task.cluster,
        "on_commit": False,
    }
    if keeps_id(task):
        return rerun(task, {**call, **RERUN_OPTIONS, "task_name": task.name})
    return enqueue_with_key(task, call, None)


def resubmit_kind(fingerprint: str, limit: int = 1000) -> Resubmission:
    """Run the failures of a kind again, at most ``limit`` of them, the oldest first.

    Failures of a kind have the same ``Task.fingerprint``. Raises what the broker raises while it
    is away; those that were resubmitted until then are.
    """
    ids = oldest_failures(fingerprint, limit + 1)
    result = Resubmission([], {}, len(ids) > limit)
    for task_id, new_id, reason in resubmit_each(ids[:limit]):
        if reason:
            result.refused[task_id] = reason
        else:
            result.resubmitted.append(new_id)
    return result


def oldest_failures(fingerprint: str, limit: int) -> list[str]:
    """Return the ids of failures of a kind, the oldest first."""
    failures = Task.objects.filter(HAS_ENDED, fingerprint=fingerprint, success__in=[False])
    return list(failures.order_by("stopped").values_list("pk", flat=True)[:limit])


def resubmit_each(ids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Run failures again one by one: yields the id of each, and its new id or why it has none.

    Those that are gone, or have ended anew with success, are passed over.
    """
    failures = Task.objects.filter(HAS_ENDED, success__in=[False])
    for start in range(0, len(ids), RESUBMITTED_ROWS):
        chosen = ids[start : start + RESUBMITTED_ROWS]
        for task in failures.filter(pk__in=chosen).order_by("stopped"):
            try:
                yield task.pk, resubmit_failure(task), ""
            except (PackageError, AlreadyEnqueued) as error:
                yield task.pk, "", short_error_text(error)


def resubmit_failure(task: Task) -> str:
    """Resubmit a failure; one whose new task has another id is deleted, as that replaces it."""
    with transaction.atomic(using=router.db_for_write(Task)):
        new_id = resubmit(task)
    if new_id != task.pk:
        delete_replaced(task)
    return new_id


def keeps_id(task: Task) -> bool:
    """Return True if a task can be run again under its own id."""
    if task.success or Task.objects.filter(id=link_id(task.id)).exists():
        return False
    return Conf.SYNC or "track" in served_options(chosen_broker({"cluster": task.cluster}))


def rerun(task: Task, call: dict[str, Any]) -> str:
    """Enqueue a failure under its own id, and mark its row. Raises ``NotRepeatable``."""
    if Conf.SYNC:  # it has ended when this returns
        return enqueue_with_key(task, call, task.id)
    broker = adapt_broker(chosen_broker(call))
    if reason := why_unfinished(task, broker):
        raise NotRepeatable(reason)
    if CANCEL_ORDER in broker.obeys:  # one that came when the task had just ended
        withdraw_quietly(broker, [task_key(task.id)])
    # One transaction: whoever saves the new end waits for its commit, and a crash leaves no mark.
    with transaction.atomic(using=router.db_for_write(Task)):
        if not mark_rerun(task):
            raise NotRepeatable(_("It was resubmitted by somebody else, or has ended anew."))
        return enqueue_with_key(task, call, task.id)


def enqueue_with_key(task: Task, call: dict[str, Any], task_id: str | None) -> str:
    """Enqueue the call of a task with its unique key, unless another task has that."""
    unique = kept_options(task, UNIQUE_OPTIONS)
    if unique:
        unique["on_duplicate"] = REJECT
    try:
        return enqueue_again(task, call | unique, task_id)
    except AlreadyEnqueued as error:
        if error.task_id != task.id:
            text = f"Task {error.task_id} has its unique key. Resubmit it when that has ended."
            raise NotRepeatable(text) from error
    # Nobody else has the key: unique_for keeps it for this task.
    return enqueue_again(task, call, task_id)


def kept_options(task: Task, names: frozenset[str]) -> dict[str, Any]:
    """Return some of the options in the row of a task."""
    options = task.options if isinstance(task.options, dict) else {}
    return {name: options[name] for name in names & options.keys()}


def enqueue_again(task: Task, call_options: dict[str, Any], task_id: str | None) -> str:
    """Enqueue the call of a task with options, and return its id; None is for a new one."""
    options, _rest = options_of({"q_options": call_options})
    package = new_package(task.func, *arguments(task), options, task_id)
    # Of a call by Django's tasks framework: its result is asked for there.
    package.update(kept_options(task, FRAMEWORK_KEYS))  # type: ignore[typeddict-item]
    if task_id:
        package["earlier_ends"] = json.dumps(earlier_ends(task))
    (task_id,) = dispatch([package], options, is_own_call=False)
    return task_id


def delete_replaced(task: Task) -> None:
    """Delete a failure in whose place there is a new task, unless something refers to it."""
    try:
        with transaction.atomic(using=router.db_for_write(Task)):
            task.delete()
    except IntegrityError as error:  # a model of the project
        text = "failure %s was resubmitted and is kept: %s"
        logger.warning(text, task.pk, error, extra=log_fields(package_fields(task)))


def package_fields(task: Task) -> TaskPackage:
    """Return what a row has of the package of its task, as far as log lines tell of it."""
    return TaskPackage(
        id=task.id,
        name=task.name,
        func=task.func,
        attempt=task.attempt_count,
        cluster=task.cluster or "",
    )


def check_repeatable(task: Task) -> None:
    """Raise ``NotRepeatable`` unless a row describes a call completely."""
    arguments(task)
    check_function(task.func)
    if is_iterable_row(task):
        raise NotRepeatable(_("It is an iterable, whose items were calls of their own."))
    if task.hook_name and not is_path(task.hook_name):
        raise NotRepeatable(
            _("Its hook %(name)s can not be found by its name.") % {"name": task.hook_name}
        )


def arguments(task: Task) -> tuple[Any, dict[str, Any]]:
    """Return the arguments of a task. Raises ``NotRepeatable`` where its row lacks them."""
    args, kwargs = task.args, task.kwargs
    # None if the database refused them; what can not be unpickled is the text of the column.
    if not isinstance(args, (tuple, list)) or not isinstance(kwargs, dict):
        raise NotRepeatable(_("Its arguments can not be read any more."))
    return args, kwargs


def check_function(name: str) -> None:
    """Raise ``NotRepeatable`` unless a name is the path of a function that can be imported."""
    if not is_path(name):
        raise NotRepeatable(
            _("The call of %(name)s can not be made again from its name.") % {"name": name}
        )
    try:
        resolve_callable(name)
    except Exception as error:  # whatever a module raises when it is imported
        text = _("Its function can not be found: %(error)s")
        raise NotRepeatable(text % {"error": error_summary(error)}) from error


def is_iterable_row(task: Task) -> bool:
    """Return True if a row is that of an iterable, whose arguments are the list of its items.

    The arguments of a call are a tuple; as JSON they are a list, too. In that case an iterable
    is recognised by two more properties: it has as many results as items, and its id is a UUID of
    version 4, in which no time is encoded as in other ids.
    """
    if not isinstance(task.args, list) or not isinstance(task.result, list):
        return False
    if Conf.SERIALIZER != "json":
        return True
    if len(task.args) != len(task.result) or not ITERABLE_ID_PATTERN.fullmatch(task.id):
        return False
    return not encodes_time(task.id, task.started)
