"""The options that ``@task`` and ``using`` take, typed and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django_q.brokers.base import Broker
from django_q.exceptions import PackageError
from django_q.text.function_names import dotted_name
from django_q.wire.callables import resolves_to
from django_q.wire.option_types import closest_name_hint
from django_q.wire.options import normalize_options
from django_q.wire.queue_options import check_queue_options

#: A span of time: seconds, or a timedelta.
Span = float | timedelta
#: A dotted path, or what it leads to.
Named = str | Callable[..., Any]
#: One exception class or several, or their dotted paths.
Exceptions = str | type[BaseException] | Iterable[str | type[BaseException]]


class TaskOptions(TypedDict, total=False):
    """Options of ``async_task``; None leaves one out."""

    hook: Named | None
    group: str | int | None
    task_name: str | None
    save: bool | None
    sync: bool | None
    cached: bool | float | None
    ack_failure: bool | None
    cluster: str | None
    timeout: Span | None
    max_attempts: int | None
    chain: Iterable[Any] | None
    priority: int | None
    run_after: datetime | Span | None
    expires: datetime | Span | None
    unique: bool | str | int | None
    unique_for: Span | None
    on_duplicate: str | None
    idempotency_key: str | int | None
    idempotency_for: Span | None
    track: bool | None
    retries: int | None
    retry_delay: Span | None
    retry_backoff: bool | float | None
    retry_max_delay: Span | None
    retry_jitter: bool | float | None
    retry_on: Exceptions | None
    no_retry_on: Exceptions | None
    soft_timeout: Span | None
    broker: Broker | None
    redis: Any
    list_key: str | None
    on_commit: bool | None


#: Names of those options.
TASK_OPTIONS = frozenset(TaskOptions.__annotations__)


def merged_options(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put options in the place of earlier ones, and return them in the form in which they travel.

    Raises ``PackageError`` for what is unknown, invalid, or contradicts another option.
    """
    check_names("option of tasks", given, TASK_OPTIONS)
    options = normalize_options({**before, **given})
    check_queue_options(options)
    hook = options.get("hook")
    if callable(hook) and resolves_to(dotted_name(hook), hook):
        options["hook"] = dotted_name(hook)
    return {name: value for name, value in options.items() if value is not None}


def check_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``PackageError`` for a name that is not known, with the known name that is like it."""
    for name in given:
        if name not in known:
            hint = closest_name_hint(name, known) or f"Expected some of {', '.join(sorted(known))}."
            raise PackageError(f"There is no {what} '{name}'. {hint}")
