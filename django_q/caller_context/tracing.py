"""OpenTelemetry: the trace of a caller goes on in its tasks, if ``Q_CLUSTER['context']`` says so.

Its API is imported when it is used first: nobody else needs it, or pays for it. Spans have the
attributes of the conventions for messaging, https://opentelemetry.io/docs/specs/semconv/messaging/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from multiprocessing.util import Finalize
from typing import Any

from django_q import __version__
from django_q.conf import Conf
from django_q.exceptions import TaskStopped
from django_q.foreign_code.guards import ForeignCall
from django_q.foreign_code.optional_packages import optional
from django_q.text.error_text import error_summary
from django_q.text.function_names import dotted_name, exception_path
from django_q.text.representation import is_too_large
from django_q.wire.package import TaskPackage

#: The entry of ``Q_CLUSTER['context']`` that asks for traces.
OPENTELEMETRY = "opentelemetry"
#: Milliseconds in which a worker that ends sends its last spans.
FLUSH_MS = 1000


@cache
def api(module: str) -> Any:
    """Import a module of the API; None where it is not installed."""
    return optional(f"opentelemetry.{module}")


def current_trace() -> str:
    """Write the current trace as the fields that propagators make; empty without a trace.

    Raises ``ModuleNotFoundError`` where the API is not installed.
    """
    if api("propagate") is None:
        raise ModuleNotFoundError("pip install 'django-q[opentelemetry]'")
    fields: dict[str, str] = {}
    api("propagate").inject(fields)
    return json.dumps(fields, separators=(",", ":")) if fields else ""


def enter_trace(text: str) -> None:
    """Go on in the trace that ``current_trace`` has written, until the current context ends."""
    if api("propagate") is not None:
        api("context").attach(api("propagate").extract(json.loads(text)))


def current_ids() -> tuple[str, str] | None:
    """Return the ids of the current trace and span in hexadecimal digits; None without a span."""
    if not is_traced():
        return None
    place = api("trace").get_current_span().get_span_context()
    return (f"{place.trace_id:032x}", f"{place.span_id:016x}") if place.is_valid else None


def is_traced() -> bool:
    """Return True if tasks have spans here."""
    return OPENTELEMETRY in Conf.CONTEXT and api("trace") is not None


def producer_span(packages: Sequence[TaskPackage]) -> AbstractContextManager:
    """Make the span of a call that enqueues, for a block; none where tasks are not traced."""
    if not packages or not is_traced():
        return nullcontext()
    name, attributes = described("send", packages[0])
    if len(packages) > 1:
        attributes["messaging.batch.message_count"] = len(packages)
    else:
        attributes["messaging.message.id"] = packages[0]["id"]
    kind = api("trace").SpanKind.PRODUCER
    return tracer().start_as_current_span(name, kind=kind, attributes=attributes)


def execute_in_span(
    execute: Callable[..., BaseException | None], package: TaskPackage, *args: Any
) -> BaseException | None:
    """Execute one attempt of a task in a span of its own; ``execute`` returns what ended it.

    The span stays the current one until the context ends, which is to be one of the task's own.
    """
    task, span = package["name"], None
    with ForeignCall("OpenTelemetry", task, package["id"]):
        span = start_consumer_span(package)
    error = execute(package, *args)
    if span is not None:
        with ForeignCall("OpenTelemetry", task, package["id"]):
            end_consumer_span(span, error)
    return error


def start_consumer_span(package: TaskPackage) -> Any:
    """Start the span of an attempt, and make it the current one."""
    flush_at_exit()
    name, attributes = described("process", package)
    attributes["messaging.message.id"] = package["id"]
    attributes["django_q.attempt"] = package.get("attempt", 1)
    trace = api("trace")
    span = tracer().start_span(name, kind=trace.SpanKind.CONSUMER, attributes=attributes)
    api("context").attach(trace.set_span_in_context(span))
    return span


def end_consumer_span(span: Any, error: BaseException | None) -> None:
    """End the span of an attempt, with the exception that ended it; a stop is no failure."""
    if error is not None and not isinstance(error, TaskStopped):
        span.set_attribute("error.type", exception_path(type(error)))
        span.set_status(api("trace").StatusCode.ERROR, error_summary(error))
        if not is_too_large(error):  # its text would block this worker
            span.record_exception(error)
    span.end()


def described(operation: str, package: TaskPackage) -> tuple[str, dict[str, Any]]:
    """Return the name of a span and its attributes, for an operation on a queue."""
    queue = package.get("cluster") or Conf.CLUSTER_NAME
    return f"{operation} {queue}", {
        "messaging.system": "django_q",
        "messaging.destination.name": queue,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "code.function.name": dotted_name(package["func"]),
        "django_q.task_name": package["name"],
    }


def tracer() -> Any:
    """Return the tracer of the provider that the project has set."""
    return api("trace").get_tracer("django_q", __version__)


@cache
def flush_at_exit() -> None:
    """Have the spans sent that are collected when this process ends: no ``atexit`` runs there."""
    Finalize(None, flush, exitpriority=1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=flush_at_exit.cache_clear)


def flush() -> None:
    """Send the spans that are collected."""
    if force_flush := getattr(api("trace").get_tracer_provider(), "force_flush", None):
        force_flush(FLUSH_MS)
