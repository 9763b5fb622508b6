"""Hooks: the function that a task asked to be called with its result."""

from __future__ import annotations

from typing import Any

from django_q.conf import logger
from django_q.lifecycle.surroundings import undisturbed
from django_q.package import dotted_name, resolve_callable


def receive(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Call the hook of a Task, with the signature of a receiver: ``call_hook`` of django-q2."""
    if instance.hook:
        call_hook(instance.hook, instance)


def call_hook(hook: Any, task: Any) -> None:
    """Call a hook, by name or object, with a finished Task. Never raises."""
    try:
        func = resolve_callable(hook)
    except Exception as error:
        logger.error("malformed return hook '%s' for [%s]: %r", dotted_name(hook), task.name, error)
        return
    try:
        with undisturbed():
            func(task)
    except Exception as error:
        logger.exception(
            "return hook %s failed on [%s] because %s", dotted_name(hook), task.name, error
        )
