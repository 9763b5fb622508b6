"""Check that the options of a call that say how it waits in its queue do not contradict another."""

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
