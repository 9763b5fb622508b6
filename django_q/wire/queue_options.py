"""Check that options of a call, of how it waits and is retried, do not contradict each other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_q.exceptions import PackageError
from django_q.wire.option_types import shown

#: Options that mean nothing without another one.
REQUIRED_OPTIONS = {
    "unique_for": "unique",
    "on_duplicate": "unique",
    "idempotency_for": "idempotency_key",
}


def check_queue_options(options: Mapping[str, Any]) -> None:
    """Raise ``PackageError`` for options that contradict each other. They have been converted."""
    for name, other in REQUIRED_OPTIONS.items():
        if options.get(name) is not None and options.get(other) is None:
            raise PackageError(
                f"The option '{name}' needs the option '{other}'; got {shown(options[name])} "
                f"without it. Set '{other}', or leave '{name}' out."
            )
    if options.get("unique") is not None and options.get("idempotency_key") is not None:
        # A call that meets a task of its unique key is not enqueued. Its idempotency key would
        # stand for that other task, or for none: it would be enqueued when it is repeated.
        raise PackageError(
            "Expected one of the options 'unique' and 'idempotency_key', got both. Set 'unique' "
            "for one task at a time, or 'idempotency_key' for one task ever."
        )
    check_times(options.get("run_after"), options.get("expires"))
    check_limits(options)


def check_limits(options: Mapping[str, Any]) -> None:
    """Raise ``PackageError`` for a time that is not below the limit beside it."""
    soft, hard = options.get("soft_timeout"), options.get("timeout")
    if is_limit_reached(soft, hard):
        raise PackageError(
            f"The option 'soft_timeout' must be lower than 'timeout'; got {shown(soft)} and "
            f"{shown(hard)}. The task would be ended before it could catch SoftTimeout."
        )
    delay, most = options.get("retry_delay"), options.get("retry_max_delay")
    if delay is not None and most is not None and delay > most:
        raise PackageError(
            f"The option 'retry_delay' must not be greater than 'retry_max_delay'; got "
            f"{shown(delay)} and {shown(most)}. Set one of them alone, or a greater maximum."
        )


def is_limit_reached(soft: float | None, hard: float | None) -> bool:
    """Return True if the limit of a task ends it before its ``soft_timeout``; -1 is no limit."""
    return soft is not None and hard is not None and 0 < hard <= soft


def without_contradictions(link: Any, before: Mapping[str, Any]) -> Any:
    """Drop options which a link has from the task before it, and which contradict its own."""
    if is_limit_reached(link.get("soft_timeout"), link.get("timeout")):
        del link["soft_timeout"]
    delay, most = link.get("retry_delay"), link.get("retry_max_delay")
    if delay is not None and most is not None and delay > most:
        del link["retry_delay" if delay == before.get("retry_delay") else "retry_max_delay"]
    return link


def check_times(run_after: float | str | None, expires: float | str | None) -> None:
    """Raise ``PackageError`` for a task that expires before it is due."""
    if run_after is None or expires is None:
        return
    now = time.time()  # compares a span with a time; the broker's clock decides in the end
    if seconds_until(expires, now) <= seconds_until(run_after, now):
        raise PackageError(
            "The option 'expires' must be later than 'run_after'; "
            f"got {shown(expires)} and {shown(run_after)}. The task would never be begun."
        )


def seconds_until(value: float | str, now: float) -> float:
    """Return the seconds from ``now``, which is a timestamp, to a time as it travels."""
    return timestamp_of(value) - now if isinstance(value, str) else value


def timestamp_of(text: str) -> float:
    """Return the seconds since the epoch of a time that travels as text."""
    return datetime.fromisoformat(text).timestamp()
