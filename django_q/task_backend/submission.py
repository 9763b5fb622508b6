"""Enqueue a call of a task of Django's framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from django_q.calls.composition import chosen_broker, dispatch
from django_q.calls.enqueueing import served_options
from django_q.conf import Conf
from django_q.foreign_code.guards import send_signal_safely
from django_q.task_backend.framework import (
    INVALID_TASK,
    Task,
    TaskResult,
    error_class,
    framework_signals,
    normalize_json,
)
from django_q.task_backend.outcomes import local_time, make_result
from django_q.task_backend.queue_choice import own_queue
from django_q.task_backend.task import option_values
from django_q.wire.callables import importable_name
from django_q.wire.option_types import is_path
from django_q.wire.options import normalize_options
from django_q.wire.package import TaskPackage, new_id, new_package

#: Seconds for which a result can be asked for, unless OPTIONS["keep_results"] says otherwise.
DEFAULT_KEEP_SECONDS = 86400


def submit(
    task: Task, args: Sequence[Any], kwargs: Mapping[str, Any], backend: Any
) -> tuple[TaskResult, bool]:
    """Enqueue a call, send ``task_enqueued``, and return its result.

    Also whether the result is of this call: where another task has its key, it is that one's.
    Raises ``TypeError`` for arguments that are not JSON, and as ``async_task`` does.
    """
    task = due_task(task)
    args, kwargs = as_json(args, kwargs)
    options = call_options(task, backend)
    package = call_package(task, args, kwargs, options, backend)
    result = make_result(
        task,
        id=package["id"],
        enqueued_at=local_time(package["started"]),
        args=args,
        kwargs=kwargs,
        backend=backend.alias,
    )
    if Conf.SYNC:  # it runs, and ends, while it is enqueued
        announce(result, package, backend)
        dispatch([package], options)
        return result, True
    (task_id,) = dispatch([package], options)
    if task_id != result.id:
        object.__setattr__(result, "id", task_id)
        return result, False
    announce(result, package, backend)
    return result, True


def as_json(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return arguments as they are read again: the keys of dictionaries become text."""
    try:
        return json.loads(json.dumps(normalize_json([args, kwargs])))
    except RecursionError as error:
        raise TypeError(
            "The arguments of a task must be JSON; got a value that contains itself, or is nested "
            "too deeply. Pass what it is found by, as its primary key."
        ) from error


def due_task(task: Task) -> Task:
    """Return a task whose ``run_after`` is a time, where it was a span of time from now on."""
    if not isinstance(task.run_after, timedelta):
        return task
    due = local_time(timezone.now() + task.run_after)
    return replace(task, run_after=due)


def call_options(task: Task, backend: Any) -> dict[str, Any]:
    """Return the options of ``async_task`` for a call, converted to how they travel."""
    given: dict[str, Any] = {
        **option_values(task),
        "priority": int(task.priority),
        "run_after": task.run_after,
        "save": True,
        "cluster": own_queue(task.queue_name),
        "on_commit": backend.options.get("on_commit"),
    }
    options = normalize_options({name: v for name, v in given.items() if v is not None})
    options["broker"] = chosen_broker(options)
    if "track" in served_options(options["broker"]):
        options["track"] = True
    return options


def call_package(
    task: Task,
    args: list[Any],
    kwargs: dict[str, Any],
    options: Mapping[str, Any],
    backend: Any,
) -> TaskPackage:
    """Make the package of a call."""
    package = new_package(function_path(task), args, kwargs, options, new_id())
    package["backend"], package["queue"] = backend.alias, task.queue_name
    package["keep_for"] = backend.options.get("keep_results", DEFAULT_KEEP_SECONDS)
    if task.takes_context:
        package["takes_context"] = True
    return package


def function_path(task: Task) -> str:
    """Return the path by which a worker finds the function. Raises ``InvalidTask``."""
    path = task.module_path
    try:
        if is_path(path):
            return importable_name(task.func, "The function of a task")
    except ValueError as error:
        raise error_class(INVALID_TASK)(str(error)) from error
    raise error_class(INVALID_TASK)(
        f"The function of a task must be importable by name, and '{path}' is not: define it at the "
        "top of a module."
    )


def announce(result: TaskResult, package: TaskPackage, backend: Any) -> None:
    """Send ``task_enqueued``; what a receiver raises is logged: the task has been enqueued."""
    for signal in framework_signals("task_enqueued"):
        send_signal_safely(
            signal,
            "task_enqueued",
            package["name"],
            package["id"],
            sender=type(backend),
            task_result=result,
        )
