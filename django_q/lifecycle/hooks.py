"""Hooks: the function that a task asked to be called with its result."""

from __future__ import annotations

import math
import time
from typing import Any

from django_q.conf import logger
from django_q.lifecycle.surroundings import undisturbed
from django_q.package import dotted_name, resolve_callable


class Running:
    """The hook that runs in this process, for who is asked why results wait."""

    since = math.inf  # monotonic
    last = 0.0  # when the one before it was over
    hook = task = ""  # their names


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
    Running.hook, Running.task = dotted_name(hook), task.name
    Running.since = time.monotonic()
    try:
        with undisturbed():
            func(task)
    except (Exception, SystemExit) as error:  # sys.exit() is no reason for a monitor to end
        logger.exception(
            "return hook %s failed on [%s] because %s", dotted_name(hook), task.name, error
        )
    finally:
        Running.since, Running.last = math.inf, time.monotonic()
