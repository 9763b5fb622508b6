"""Submit the call of a finished task once more: exactly as it was, or not at all.

The row keeps the name of the function, the arguments and the options. A call that these do not
describe completely is refused, as it would become another one: a method without its instance, or a
class in place of its object.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from django_q.calls.composition import dispatch, options_of
from django_q.conf import Conf
from django_q.exceptions import AlreadyEnqueued, PackageError
from django_q.models import Task
from django_q.text.error_text import error_summary
from django_q.wire.callables import resolve_callable
from django_q.wire.option_types import REJECT, is_path
from django_q.wire.package import encodes_time, new_package

#: The id of an iterable: a UUID of version 4.
ITERABLE_ID_PATTERN = re.compile("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")
#: Options in the row of a task that its new call has, too. Times were those of the first call, and
#: an idempotency key stands for the task that has ended: it would keep the new one from the queue.
KEPT_OPTIONS = frozenset({"priority", "track", "timeout", "max_attempts", "ack_failure"})
#: Those that are kept as well, unless the ended task itself has the key for a while.
UNIQUE_OPTIONS = frozenset({"unique", "unique_for"})


class NotRepeatable(PackageError):
    """Raised when a task can not be submitted again as it was."""


def resubmit(task: Task) -> str:
    """Enqueue the call of a task once more, with its hook, group, cluster and options.

    Raises ``NotRepeatable`` where that would be another call, or another task has its unique key,
    and what ``async_task`` raises. When it returns the task is in the queue, whether or not an open
    transaction commits: the row of a failure can be deleted after it without losing the task.
    """
    arguments(task)
    check_function(task.func)
    if is_iterable_row(task):
        raise NotRepeatable(_("It is an iterable, whose items were calls of their own."))
    if task.hook_name and not is_path(task.hook_name):
        raise NotRepeatable(
            _("Its hook %(name)s can not be found by its name.") % {"name": task.hook_name}
        )
    call = {
        **kept_options(task, KEPT_OPTIONS),
        "hook": task.hook_name,
        "group": task.group,
        "cluster": task.cluster,
        "on_commit": False,
    }
    unique = kept_options(task, UNIQUE_OPTIONS)
    if unique:
        unique["on_duplicate"] = REJECT
    try:
        return enqueue_again(task, call | unique)
    except AlreadyEnqueued as error:
        if error.task_id != task.id:
            text = f"Task {error.task_id} has its unique key. Resubmit it when that has ended."
            raise NotRepeatable(text) from error
    return enqueue_again(task, call)  # nobody else has the key: unique_for keeps it for this task


def kept_options(task: Task, names: frozenset[str]) -> dict[str, Any]:
    """Return some of the options in the row of a task."""
    options = task.options if isinstance(task.options, dict) else {}
    return {name: options[name] for name in names & options.keys()}


def enqueue_again(task: Task, call_options: dict[str, Any]) -> str:
    """Enqueue the call of a task with options, and return its id."""
    options, _rest = options_of({"q_options": call_options})
    (task_id,) = dispatch([new_package(task.func, *arguments(task), options)], options)
    return task_id


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
