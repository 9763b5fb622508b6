"""Make results of Django's tasks framework from packages and rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime
from django.utils.timezone import make_naive

from django_q.exceptions import contain_error
from django_q.task_backend.framework import (
    Task,
    TaskError,
    TaskResult,
    TaskResultStatus,
    task_backends,
)
from django_q.task_backend.task import (
    OPTION_FIELDS,
    DjangoQTask,
    unvalidated,
    unvalidated_copy,
)
from django_q.text.error_text import error_summary
from django_q.wire.callables import resolve, task_function

#: How the text of a failure begins, behind the exception itself.
TRACEBACK_START = "Traceback (most recent call last):"
#: The options of this project that are fields of a task.
OPTION_NAMES = frozenset(OPTION_FIELDS)
#: The path of an error whose class nobody has recorded.
UNKNOWN_ERROR = "django_q.exceptions.DjangoQError"


def task_of(path: str, options: Mapping[str, Any], alias: str) -> Task:
    """Make the task of a call again, from the path of its function and what travelled with it.

    It is not validated: the call was, and the setting may have changed since.
    """
    found = found_function(path)
    kind = type(found) if isinstance(found, Task) else DjangoQTask
    task = plain_task(
        kind,
        task_function(found),
        options.get("priority") or 0,
        alias,
        options.get("queue") or "default",
        moment_of(options.get("run_after")),
        bool(options.get("takes_context")),
    )
    given = OPTION_NAMES.intersection(options) if kind is DjangoQTask else ()
    own = {name: options[name] for name in given if options[name] is not None}
    return unvalidated_copy(task, **own) if own else task


@lru_cache(maxsize=256)
def plain_task(
    kind: type[Task],
    func: Callable,
    priority: int,
    backend: str,
    queue_name: str,
    run_after: datetime | None,
    takes_context: bool,
) -> Task:
    """Make a task without options of this project.

    Tasks can not be changed, and a worker would make the same one twice for each call.
    """
    return unvalidated(
        kind,
        func=func,
        priority=priority,
        backend=backend,
        queue_name=queue_name,
        run_after=run_after,
        takes_context=takes_context,
    )


def found_function(path: str) -> Any:
    """Return what a path leads to: a task, or its function; a stand-in for one that is gone."""
    try:
        found = resolve(path)
    except BaseException as error:  # the import may raise anything
        contain_error(error)
        return missing_function(path, error_summary(error))
    return found if callable(task_function(found)) else missing_function(path, "it is none")


@lru_cache(maxsize=256)
def missing_function(path: str, reason: str) -> Callable:
    """Make a function that raises, of the name of one that is gone: its results can be read."""

    def missing(*args: Any, **kwargs: Any) -> None:
        raise ImportError(f"The function '{path}' of this task can not be imported: {reason}.")

    missing.__module__, _, missing.__name__ = path.rpartition(".")
    missing.__qualname__ = missing.__name__
    return missing


def moment_of(value: Any) -> datetime | None:
    """Read a time in the form in which it travels; None for a span of time, or what is none."""
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment and local_time(moment)


def local_time(moment: datetime) -> datetime:
    """Return a time as the project has times: aware, or naive without ``USE_TZ``."""
    if settings.USE_TZ:
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return make_naive(moment) if moment.tzinfo else moment


def timestamp_time(seconds: Any) -> datetime | None:
    """Make a time from seconds since the epoch; None where they are unknown."""
    if not isinstance(seconds, (int, float)) or seconds <= 0:
        return None
    return local_time(datetime.fromtimestamp(seconds, timezone.utc))


def make_result(task: Task, **values: Any) -> TaskResult:
    """Make a result; what is not given is empty."""
    empty: dict[str, Any] = dict.fromkeys(
        ("enqueued_at", "started_at", "finished_at", "last_attempted_at")
    )
    return_value = values.pop("return_value", None)
    result = TaskResult(
        **{
            "task": task,
            "status": TaskResultStatus.READY,
            "backend": task.backend,
            "args": [],
            "kwargs": {},
            "errors": [],
            "worker_ids": [],
            **empty,
            **values,
        }
    )
    object.__setattr__(result, "_return_value", return_value)
    return result


def known_alias(alias: Any, otherwise: str) -> str:
    """Return the alias of a backend if the settings still have it."""
    return alias if isinstance(alias, str) and alias in task_backends.settings else otherwise


def task_error(path: str | None, text: Any) -> TaskError:
    """Make an error of a result, from the class as rows have it and the text of the failure."""
    path = path or UNKNOWN_ERROR
    text = text if isinstance(text, str) else repr(text)
    start = text.find(TRACEBACK_START)
    return TaskError(
        exception_class_path=path if "." in path else f"builtins.{path}",
        traceback=text[start:] if start > 0 else text,
    )


def earlier_attempts(ends: Any, count: int = 0) -> dict[str, list[Any]]:
    """Return ``errors`` and ``worker_ids`` of attempts that have ended, from their records.

    Records are kept of the last ones of ``count``. The workers of others are unknown, and named by
    an empty text, as the framework counts attempts by workers.
    """
    ended = [end for end in ends or () if isinstance(end, Mapping)]
    unknown = [""] * (count - len(ended))
    return {
        "errors": [
            task_error(end["exception"], end.get("text", ""))
            for end in ended
            if end.get("exception")
        ],
        "worker_ids": unknown + [str(end.get("worker") or "") for end in ended],
    }


def first_begin(ends: Any) -> datetime | None:
    """Return when the first of some attempts began; where that is unknown, when it ended."""
    first = next((end for end in ends or () if isinstance(end, Mapping)), {})
    return moment_of(first.get("begun")) or moment_of(first.get("time"))
