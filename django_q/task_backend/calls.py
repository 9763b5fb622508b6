"""Call the function of a task of Django's framework in a worker, and send the framework's signals.

``execution.framework_calls`` finds this module by its name.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_q.completion.finished_task import is_retried
from django_q.exceptions import TaskStopped, WorkerDied
from django_q.execution.run_details import worker_name
from django_q.foreign_code.guards import run_coroutine, send_signal_safely
from django_q.results.rows import unpickled
from django_q.task_backend.framework import (
    TaskContext,
    TaskResult,
    TaskResultStatus,
    framework_signals,
    normalize_json,
    task_backends,
)
from django_q.task_backend.outcomes import (
    earlier_attempts,
    first_begin,
    known_alias,
    local_time,
    make_result,
    task_error,
    task_of,
    timestamp_time,
)
from django_q.task_state.attempts import attempts_of
from django_q.text.error_text import safe_str
from django_q.text.function_names import dotted_name, exception_path
from django_q.wire.package import TaskPackage


class FrameworkCall:
    """What calls the function of a task as Django's framework has it."""

    def __init__(self, func: Callable, package: TaskPackage) -> None:
        self.func, self.package = func, package

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send ``task_started``, call the function, and return its result as JSON has it.

        Raises ``TypeError`` or ``ValueError`` for a result that JSON has not.
        """
        self.package["begun"] = time.time()
        result = running_result(self.package)
        send("task_started", self.package, result)
        if self.package.get("takes_context"):
            args = (TaskContext(task_result=result), *args)
        value = self.func(*args, **kwargs)
        if inspect.iscoroutine(value):
            value = run_coroutine(value)
        return json.loads(json.dumps(normalize_json(value)))


def running_result(package: TaskPackage) -> TaskResult:
    """Make the result of a task that runs in this process."""
    return result_of(package, status=TaskResultStatus.RUNNING, worker=worker_name())


def ended_result(
    package: TaskPackage, is_success: bool, value: Any, finished_at: datetime, worker: str | None
) -> TaskResult:
    """Make the result of a task that has ended; ``value`` is what its function has returned."""
    return result_of(
        package,
        status=TaskResultStatus.SUCCESSFUL if is_success else TaskResultStatus.FAILED,
        finished_at=local_time(finished_at),
        worker=worker,
        return_value=value if is_success else None,
    )


def result_of(package: TaskPackage, worker: str | None, **values: Any) -> TaskResult:
    """Make a result from a package, with the attempts that have ended before and this one."""
    before, begun = attempts_of(package), timestamp_time(package.get("begun"))
    earlier = earlier_attempts(before.ends, before.count)
    alias = known_alias(package.get("backend"), "default")
    if worker:
        earlier["worker_ids"].append(worker)
    return make_result(
        task_of(dotted_name(package["func"]), package, alias),
        id=package["id"],
        enqueued_at=local_time(package["started"]),
        args=list(unpickled(package["args"]) or ()),
        kwargs=dict(unpickled(package["kwargs"]) or {}),
        started_at=first_begin(before.ends) or begun,
        last_attempted_at=begun,
        **earlier,
        **values,
    )


def announce_end(package: TaskPackage, value: Any, error: BaseException | None) -> None:
    """Send ``task_finished``, unless the task is to be run again; in a worker.

    ``value`` is what the function has returned, or the text of the failure.
    """
    if error is not None and (isinstance(error, TaskStopped) or is_retried(package)):
        return
    result = ended_result(package, error is None, value, timezone.now(), worker_name())
    if error is not None:
        result.errors.append(task_error(exception_path(type(error)), value))
    package["announced"] = True
    send("task_finished", package, result)


def announce_unexecuted_end(package: TaskPackage) -> None:
    """Send ``task_finished`` for a task that no worker could send it for; in the monitor."""
    is_success, value = package["success"], unpickled(package["result"])
    worker = package.get("worker")
    result = ended_result(package, is_success, value, package["stopped"], worker)
    if is_success:
        send("task_finished", package, result)
        return
    result.errors.append(task_error(package.get("exception"), value))
    try:  # receivers ask for the exception that is being handled
        raise WorkerDied(safe_str(value))
    except WorkerDied:
        send("task_finished", package, result)


def send(name: str, package: TaskPackage, result: TaskResult) -> None:
    """Send a signal of the framework. What receivers raise is logged."""
    sender = type(task_backends[result.backend])
    for signal in framework_signals(name):
        send_signal_safely(
            signal, name, package["name"], package["id"], sender=sender, task_result=result
        )
