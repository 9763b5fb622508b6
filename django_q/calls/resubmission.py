"""Submit the call of a finished task once more: exactly as it was, or not at all.

The row keeps a name and arguments. Where these do not make the call again, another call would be
made: of the function without its instance, of a class in place of its object.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from django_q.calls.composition import dispatch, options_of
from django_q.conf import Conf
from django_q.exceptions import PackageError, error_summary
from django_q.models import Task
from django_q.wire.option_types import is_path
from django_q.wire.package import encodes_time, new_package, resolve_callable

#: The id of an iterable.
ITERABLE_ID_PATTERN = re.compile("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")


class NotRepeatable(PackageError):
    """Raised when a task can not be submitted again as it was."""


def resubmit(task: Task) -> str:
    """Enqueue the call of a task once more, with its hook, group and cluster.

    Raises ``NotRepeatable`` where that would be another call, and what ``async_task`` raises. When
    it returns the task is in the queue, whatever becomes of an open transaction: who deletes the
    row of a failure loses nothing.
    """
    args, kwargs = arguments(task)
    check_function(task.func)
    if is_iterable_row(task):
        raise NotRepeatable(_("It is an iterable, whose items were calls of their own."))
    if task.hook_name and not is_path(task.hook_name):
        raise NotRepeatable(
            _("Its hook %(name)s can not be found by its name.") % {"name": task.hook_name}
        )
    call = {
        "hook": task.hook_name,
        "group": task.group,
        "cluster": task.cluster,
        "on_commit": False,
    }
    options, _rest = options_of({"q_options": call})
    package = new_package(task.func, args, kwargs, options)
    dispatch([package], options)
    return package["id"]


def arguments(task: Task) -> tuple[Any, dict[str, Any]]:
    """Give the arguments of a task. None are those that were lost when its row was saved."""
    args, kwargs = task.args, task.kwargs
    # What can not be unpickled is left as the text of the column.
    if not isinstance(args, (tuple, list)) or not isinstance(kwargs, dict):
        raise NotRepeatable(_("Its arguments can not be read any more."))
    return args, kwargs


def check_function(name: str) -> None:
    """See whether a name leads to what was called: the row names what has no path otherwise."""
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
    """Whether a row is that of an iterable, whose arguments are the list of its items.

    Those of a call are a tuple; as JSON they are a list, too. Then it has as many results, and the
    id of an iterable: a UUID of the fourth version, which does not tell the time as other ids do.
    """
    if not isinstance(task.args, list) or not isinstance(task.result, list):
        return False
    if Conf.SERIALIZER != "json":
        return True
    if len(task.args) != len(task.result) or not ITERABLE_ID_PATTERN.fullmatch(task.id):
        return False
    return not encodes_time(task.id, task.started)
