"""Call the functions of tasks that Django's tasks framework has sent, and announce their ends.

What knows the framework is above this floor, and found by its name when such a task comes: a worker
that has none imports nothing of it, and Django 5.2 has no such framework.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.wire.callables import resolve
from django_q.wire.package import TaskPackage

#: The module that calls such a function and sends the framework's signals.
CALLS_MODULE = "django_q.task_backend.calls"


def framework_call(func: Callable, package: TaskPackage) -> Callable:
    """Return what calls a function as the framework has it: with its context and its signals."""
    return resolve(f"{CALLS_MODULE}.FrameworkCall")(func, package)


def announce_end(package: TaskPackage, result: Any, error: BaseException | None = None) -> None:
    """Tell the receivers of the framework's signals how a task has ended; raises nothing.

    Called while the exception is handled where there is one, so that receivers find it.
    """
    try:
        resolve(f"{CALLS_MODULE}.announce_end")(package, result, error)
    except BaseException as broken:
        contain_error(broken)
        logger.exception("the end of task %s could not be announced", package["id"])


def announce_unexecuted_end(package: TaskPackage) -> None:
    """Tell them of a task that has ended without its worker: it died, or the task was not run."""
    try:
        resolve(f"{CALLS_MODULE}.announce_unexecuted_end")(package)
    except BaseException as broken:
        contain_error(broken)
        logger.exception("the end of task %s could not be announced", package["id"])
