"""Execute one task: read its payload, find its function, call it, record how it ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CoroutineType
from typing import Any

from django.utils import timezone

from django_q.conf import Conf, error_reporter, logger
from django_q.exceptions import DjangoQError, PackageError, TaskStopped, contain_error
from django_q.execution.framework_calls import announce_end, framework_call
from django_q.execution.invalid_packages import InvalidPackage, make_invalid_package
from django_q.execution.retry_policy import note_retry
from django_q.execution.run_details import describe_failure, log_fields
from django_q.execution.time_limit import Alarm
from django_q.foreign_code.guards import (
    RaisingForeignCall,
    run_coroutine,
    send_signal_raising,
    send_signal_safely,
)
from django_q.foreign_code.stale_code import add_stale_code_hint
from django_q.signals import SENDER, post_execute_in_worker, pre_execute
from django_q.signing import SERIALIZERS, BadSignature, SignedPackage, is_result
from django_q.task_logs.sentry_event import sentry_scope
from django_q.text.error_text import error_summary, safe_repr
from django_q.text.function_names import dotted_name
from django_q.text.representation import is_too_large
from django_q.wire.allowed_functions import permitted
from django_q.wire.framework_call import with_read_arguments
from django_q.wire.options import normalize_package
from django_q.wire.package import REQUIRED_KEYS, TaskPackage, checked_package


@dataclass
class UndecodablePayload:
    """A delivery whose payload is no package that can be read, with the reason."""

    ack_id: Any
    payload: str | bytes
    reason: str


#: Keys that a package must have once it was executed.
EXECUTED_PACKAGE_KEYS = (*REQUIRED_KEYS, "ack_id", "attempt", "result", "success", "stopped")

#: By serializer: types whose values can always be stored.
STORABLE_TYPES = {
    "pickle": frozenset({type(None), bool, int, float, str, bytes}),
    "json": frozenset({type(None), bool, int, float, str}),
}


def decode(ack_id: Any, payload: str | bytes) -> TaskPackage | UndecodablePayload:
    """Decode a payload: to an ``InvalidPackage`` where it is a package that can not be run."""
    try:
        if is_result(payload):
            return UndecodablePayload(ack_id, payload, "It is the result of a task, and no task.")
        value = SignedPackage.loads(payload)
    except (BadSignature, DjangoQError) as error:
        return UndecodablePayload(ack_id, payload, str(error))
    except BaseException as error:  # unpickling foreign bytes may raise anything
        contain_error(error)
        return UndecodablePayload(ack_id, payload, f"It is no signed package: {safe_repr(error)}.")
    try:
        package = normalize_package(checked_package(value), is_read=True)
        return with_read_arguments(package) if "arguments" in package else package
    except BaseException as error:
        contain_error(error)
        reason = str(error) if isinstance(error, DjangoQError) else safe_repr(error)
        found = make_invalid_package(value, payload, reason)
        return found or UndecodablePayload(ack_id, payload, reason)  # type: ignore[return-value]


def execute(
    package: TaskPackage, alarm: Alarm | None = None, on_success: Callable[[], None] | None = None
) -> BaseException | None:
    """Run a task and write into its package when and how it ended.

    To be called in a context of its own, by ``execute_in_caller_context`` where
    ``Q_CLUSTER['context']`` has entries. Returns the exception that ended the task, or None.
    Raises nothing, so that a task can not end the process that runs it by raising. ``alarm`` sets
    the time limit; ``on_success`` is called when the function has returned.
    """
    func: Callable | str = package["func"]
    try:
        if isinstance(package, InvalidPackage):
            raise PackageError(package.reason)
        func = permitted(func, "The function")
        if pre_execute.receivers:
            send_pre_execute(func, package)
        if alarm:
            alarm.start_task(time_limit(package), soft_time_limit(package))
        call = framework_call(func, package) if "backend" in package else func
        result = call(*package["args"], **package["kwargs"])
        if isinstance(result, CoroutineType):
            result = run_coroutine(result)
        if alarm:
            alarm.end_task()
        if on_success:
            on_success()
        error = None
    except BaseException as raised:
        if alarm:
            alarm.running = False  # not by a call, at whose beginning the alarm could raise
            alarm.end_task()
        if isinstance(raised, TaskStopped):
            return end_as_stopped(package, raised)
        task = package  # noqa: F841 - by this name the plug-in for Sentry looks for it in frames
        error, result = raised, describe_error(package, func, raised)
    else:
        if "backend" in package:
            announce_end(package, result)
    package["success"] = error is None
    package["result"] = storable_result(result, package)
    package["stopped"] = timezone.now()
    if post_execute_in_worker.receivers:
        send_post_execute_in_worker(func, package)
    return error


def describe_error(package: TaskPackage, func: Callable | str, error: BaseException) -> str:
    """Write into a package how it failed, and report that. Returns the text of the failure."""
    if isinstance(func, str):  # it was not found
        add_stale_code_hint(func, error)
    text = failure_text(error)
    package.update(describe_failure(error, func))
    text = note_retry(package, error) + text
    if error_reporter.targets:
        with sentry_scope(package):
            error_reporter.report(package["name"])
    if "backend" in package:
        announce_end(package, text, error)
    return text


def send_pre_execute(func: Callable, package: TaskPackage) -> None:
    """Send ``pre_execute``. A receiver that raises makes the task fail without being called."""
    with required_keys_restored(package):
        about = {"sender": SENDER, "func": func, "task": package}
        send_signal_raising(pre_execute, "pre_execute", package["name"], package["id"], **about)


@contextmanager
def required_keys_restored(package: TaskPackage) -> Iterator[None]:
    """Restore the keys that receivers of a signal remove although a package must have them."""
    before = {key: package[key] for key in EXECUTED_PACKAGE_KEYS if key in package}  # type: ignore[literal-required]
    try:
        yield
    finally:
        for key, value in before.items():
            package.setdefault(key, value)  # type: ignore[misc]


def time_limit(package: TaskPackage) -> float | None:
    """Return the seconds that a task may run; None for no limit.

    A number below zero sets no limit, as in django-q2.
    """
    limit = package.get("timeout") or Conf.TIMEOUT
    return limit if limit and limit > 0 else None


def soft_time_limit(package: TaskPackage) -> float | None:
    """Return the seconds after which ``SoftTimeout`` is raised in a task; None for never.

    Also where the time limit comes first.
    """
    soft = package.get("soft_timeout") or Conf.SOFT_TIMEOUT
    if not soft or soft <= 0:
        return None
    limit = time_limit(package)
    return soft if limit is None or soft < limit else None


def end_as_stopped(package: TaskPackage, error: TaskStopped) -> TaskStopped:
    """Write into a package that the stop of its cluster has interrupted its task.

    That is neither a success nor a failure, and nobody is told: it goes on elsewhere.
    """
    package.update(success=False, result=f"{error!r} : interrupted", stopped=timezone.now())
    return error


def failure_text(error: BaseException) -> str:
    """Format the exception of a failed task, and its traceback, as the result of the task."""
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    if is_too_large(error):  # formatting it would block this worker
        return f"{error_summary(error)} : {''.join(traceback.format_tb(frames))}"
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
        return f"{error!r} : {text}"
    except BaseException as broken:  # an exception that can not even be printed
        contain_error(broken)
        return f"{type(error).__name__}() : its text can not be had: {type(broken).__name__}"


def storable_result(result: Any, package: TaskPackage) -> Any:
    """Return the result itself, or its ``repr`` where the serializer can not carry it."""
    if type(result) in STORABLE_TYPES.get(Conf.SERIALIZER, ()) or "backend" in package:
        return result
    serializer = SERIALIZERS[Conf.SERIALIZER]
    try:
        with RaisingForeignCall("the pickle of the result", package["name"], package["id"]):
            serializer.loads(serializer.dumps(result))
    except BaseException as error:
        contain_error(error)
        reason = f"stored as text, because {Conf.SERIALIZER} can not carry it"
        logger.warning(
            "the result of '%s' (%s) is %s: %r",
            dotted_name(package["func"]),
            package["name"],
            reason,
            error,
            extra=log_fields(package),
        )
        return f"{safe_repr(result)} ({reason}: {safe_repr(error)})"
    return result


def send_post_execute_in_worker(func: Callable | str, package: TaskPackage) -> None:
    """Send ``post_execute_in_worker``; what a receiver raises is logged and changes no result."""
    about = {"sender": SENDER, "func": func, "task": package}
    with required_keys_restored(package):
        send_signal_safely(
            *(post_execute_in_worker, "post_execute_in_worker", package["name"], package["id"]),
            **about,
        )
