"""Call hooks: the functions that tasks name to be called with the finished Task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.foreign_code.guards import ForeignCall, resolve_awaitable
from django_q.foreign_code.task_context import in_own_context
from django_q.text.function_names import dotted_name
from django_q.wire.allowed_functions import permitted


def receive(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Call the hook of a Task, with the signature of a receiver: ``call_hook`` of django-q2."""
    if instance.hook_name:
        call_hook(instance.hook_name, instance)


def call_hook(hook: Any, task: Any) -> None:
    """Call a hook, by name or object, with a finished Task. Never raises."""
    call_hook_lazily(hook, task.name, task.id, lambda: task)


def call_hook_lazily(
    hook: Any,
    name: str,
    task_id: str,
    make_task: Callable[[], Any],
    enter_context: Callable[[], None] | None = None,
) -> None:
    """Call a hook with the Task of this name and id, which ``make_task`` makes. Never raises.

    It is called in a context of its own, to which ``enter_context`` adds something. A hook that is
    a coroutine function is awaited.
    """
    with ForeignCall(f"return hook {dotted_name(hook)}", name, task_id):
        try:
            func = permitted(hook, "The hook")
        except BaseException as error:  # importing its module may raise anything, too
            contain_error(error)
            text = "malformed return hook '%s' for [%s]: %r"
            logger.error(text, dotted_name(hook), name, error)
            return
        in_own_context(call_and_wait, func, make_task, enter_context)


def call_and_wait(
    func: Callable[..., Any],
    make_task: Callable[[], Any],
    enter_context: Callable[[], None] | None,
) -> None:
    """Call a function with the Task, and wait for the coroutine that it may return."""
    if enter_context:
        enter_context()
    resolve_awaitable(func(make_task()))
