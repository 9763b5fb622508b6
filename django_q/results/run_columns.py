"""Columns of a finished task that tell of its run: its options, and when it began."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from django.conf import settings
from django.utils import timezone as django_timezone

from django_q.task_state.attempts import (
    RESULT_KEY,
    attempts_in,
    attempts_of,
    is_time,
    make_end,
    utc_time,
    with_end,
)
from django_q.text.error_text import safe_str
from django_q.wire.package import RETRY_OPTIONS

#: Options of a call that its row gives back: those that say when, where and how often it runs.
RECORDED_OPTIONS = frozenset(
    {
        *("priority", "run_after", "expires", "queue", "backend", "track"),
        *("takes_context", "keep_for"),
        *("unique", "unique_for", "on_duplicate", "idempotency_key", "idempotency_for"),
        *("timeout", "soft_timeout", "max_attempts", "ack_failure"),
        *RETRY_OPTIONS,
    }
)


def options_column(package: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the options of a call as JSON can carry them; None without any."""
    if RECORDED_OPTIONS.isdisjoint(package):
        return None
    given = {name: package[name] for name in sorted(RECORDED_OPTIONS & package.keys())}
    return {name: option_value(value) for name, value in given.items() if value is not None} or None


def option_value(value: Any) -> Any:
    """Return the value of an option as JSON can carry it: a time as ISO text, else a text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bool, int)) or (isinstance(value, float) and isfinite(value)):
        return value
    if type(value) is list:  # paths of exceptions
        return [option_value(each) for each in value if type(each) is str]
    # PostgreSQL has no place in JSON for NUL and for halves of characters.
    return safe_str(value).replace("\x00", "?").encode(errors="replace").decode()


def attempts_column(package: Mapping[str, Any], text: Callable[[Any], str]) -> list[dict] | None:
    """Return how the attempts of a task have ended, the last as well; None if it was the only one.

    ``text`` gives the text of its end where it has failed. Of a failure that was run again under
    its id those before come first.
    """
    if not (package.get("ends") or package.get("earlier_ends")):
        return None
    earlier = earlier_ends(package.get("earlier_ends"))
    attempts = attempts_of(package)
    if not (attempts.ends and RESULT_KEY in attempts.ends[-1]):
        end = make_end(package, "" if package["success"] else text(package))
        attempts = with_end(attempts, end)
    return [{k: v for k, v in end.items() if k != RESULT_KEY} for end in (*earlier, *attempts.ends)]


def earlier_ends(text: Any) -> Sequence[dict[str, Any]]:
    """Read how a task that is run again had ended before, as its package tells it in JSON."""
    try:
        return attempts_in({"ends": json.loads(text)}).ends if text else ()
    except (TypeError, ValueError, RecursionError):  # a producer may have put anything there
        return ()


def begun_column(package: Mapping[str, Any]) -> float | None:
    """Return when the last attempt began, in seconds since the epoch; None where it did not."""
    seconds = package.get("begun")
    return seconds if is_time(seconds) else None


def keep_until_column(package: Mapping[str, Any]) -> datetime | None:
    """Return until when the row of a task is not pruned; None for one that nobody asks for."""
    seconds = package.get("keep_for")
    return None if seconds is None else package["stopped"] + timedelta(seconds=seconds)


def begun_time(seconds: float | None) -> datetime | None:
    """Make the time of ``begun_column`` one that the project's database columns can hold."""
    if seconds is None:
        return None
    return stored_time(utc_time(seconds))


def stored_time(moment: datetime, is_aware: bool | None = None) -> datetime:
    """Make a time one that the project's database columns can hold.

    ``is_aware`` is the setting ``USE_TZ`` for who needs it often: to read it takes longer than all
    else here.
    """
    is_aware = bool(settings.USE_TZ) if is_aware is None else is_aware
    return moment if (moment.tzinfo is not None) is is_aware else converted(moment)


def converted(moment: datetime) -> datetime:
    """Convert a time; one that is too near to the end of the calendar is taken for now."""
    try:
        return aware_or_naive(moment)
    except (OverflowError, ValueError):
        return django_timezone.now()


def aware_or_naive(moment: datetime) -> datetime:
    """Make an aware time naive or a naive one aware, whichever the database columns are."""
    if settings.USE_TZ:
        return django_timezone.make_aware(moment)
    return django_timezone.make_naive(moment)
