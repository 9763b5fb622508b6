"""Decide whether a task that has failed is run again, and when.

The worker decides, as it has the exception; for one whose worker has died, the monitor. ``retries``
counts ends that were recorded: a delivery that was lost with its cluster costs none of them.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from django_q.conf import Conf, logger
from django_q.exceptions import Expired, PackageError, Retry, TaskCancelled, contain_error
from django_q.execution.run_details import log_fields
from django_q.task_state.attempts import attempts_of
from django_q.text.error_text import error_summary
from django_q.text.function_names import exception_path
from django_q.wire.option_types import MAX_SECONDS, run_after, shown
from django_q.wire.package import RETRY_OPTIONS
from django_q.wire.queue_options import seconds_until

#: How often a task is run again for ``raise Retry`` where neither it nor the project has a limit.
MAX_UNLIMITED_RETRIES = 10
#: What is final whatever a task asks for: another attempt would end in the same way, or not begin.
FINAL_ERRORS = (TaskCancelled, Expired, PackageError)
#: Delays are whole multiples of this, so that tasks which have failed together share a few.
DELAY_STEP_SECONDS = 0.1


def note_retry(package: Any, error: BaseException) -> str:
    """Note in a package whether its task is run again after a failure, as ``retry_in``.

    Notes nothing where that is left to ``max_attempts`` and ``ack_failure``. Returns what is wrong
    with the ``after`` of a ``Retry``, which ends the task; empty if nothing is.
    """
    if not has_policy(package, error):
        return ""
    package["retry_in"] = None
    try:
        package["retry_in"] = seconds_until_retry(package, error)
    except PackageError as invalid:
        return f"{invalid} "
    except BaseException as wrong:  # a receiver of a signal may have put anything there
        contain_error(wrong)
        text = "'%s' is not run again, as its options can not be read"
        logger.exception(text, package["name"], extra=log_fields(package))
        return f"It is not run again, as its options can not be read: {error_summary(wrong)}. "
    return ""


def has_policy(package: Mapping[str, Any], error: BaseException) -> bool:
    """Return whether it is decided here if a failure is final, and not by ``max_attempts``."""
    if isinstance(error, Retry) or retry_limit(package):
        return True
    if RETRY_OPTIONS.isdisjoint(package):
        return False
    return package.get("retries") is not None or is_excluded(package, type(error))


def seconds_until_retry(package: Mapping[str, Any], error: BaseException) -> float | None:
    """Return after how many seconds a failed task is run again; None where its end is final.

    Raises ``PackageError`` for a ``Retry`` whose ``after`` is no time.
    """
    if isinstance(error, FINAL_ERRORS) or is_excluded(package, type(error)):
        return None
    after = seconds_after(error) if isinstance(error, Retry) else None
    ended = attempts_of(package).count
    if ended >= allowed_retries(package, isinstance(error, Retry)) or is_last_delivery(package):
        return None
    return delay_of(package, ended) if after is None else after


def retry_limit(package: Mapping[str, Any]) -> int:
    """Return how often a task is run again after a failure, by its option or the project's."""
    own = package.get("retries")
    limit = Conf.RETRIES if own is None else own
    return limit if type(limit) is int and limit > 0 else 0


def allowed_retries(package: Mapping[str, Any], is_retry: bool) -> int:
    """Return how often a task may be run again; for ``Retry`` also where nothing asks for that."""
    limit = retry_limit(package)
    if limit or not is_retry or package.get("retries") is not None:
        return limit
    return MAX_UNLIMITED_RETRIES


def is_last_delivery(package: Mapping[str, Any]) -> bool:
    """Return whether ``max_attempts`` forbids another delivery."""
    limit = package.get("max_attempts") or Conf.MAX_ATTEMPTS
    return type(limit) is int and 0 < limit <= package.get("attempt", 1)


def is_excluded(package: Mapping[str, Any], kind: type[BaseException]) -> bool:
    """Return whether the options ``retry_on`` and ``no_retry_on`` make an error final.

    ``Retry`` is asked for by the task itself, so ``retry_on`` need not name it.
    """
    only, never = package.get("retry_on"), package.get("no_retry_on")
    if type(never) is list and is_named(kind, never):
        return True
    return type(only) is list and not issubclass(kind, Retry) and not is_named(kind, only)


def is_named(kind: type[BaseException], names: Iterable[str]) -> bool:
    """Return whether one of some dotted paths names an exception class, or a class it derives from.

    Nothing is imported. A path may be another than that of the module which defines the class, as
    ``requests.Timeout``, if its module has been imported.
    """
    classes = kind.__mro__
    paths = {exception_path(each) for each in classes}
    return any(name in paths or loaded_class(name) in classes for name in names)


def loaded_class(name: str) -> Any:
    """Find a class by a path in the modules that have been imported; None where there is none."""
    module, _, attribute = name.rpartition(".")
    namespace = getattr(sys.modules.get(module), "__dict__", {})  # runs no ``__getattr__`` of it
    found = namespace.get(attribute)
    return found if isinstance(found, type) else None


def seconds_after(error: Retry) -> float | None:
    """Return the seconds of a ``Retry``'s ``after`` from now; None without one."""
    if error.after is None:
        return None
    try:
        seconds = seconds_until(run_after(error.after), time.time())
    except BaseException as cause:  # a value's own methods may raise anything
        contain_error(cause)
        raise PackageError(
            "Retry(after=...) must be a number of seconds from 0 on, a timedelta, or a datetime "
            f"with a time zone; got {shown(error.after)}. The task is not run again."
        ) from cause
    return min(max(0.0, seconds), MAX_SECONDS)


def delay_of(package: Mapping[str, Any], ended: int) -> float:
    """Return the seconds to wait before the next attempt, when so many have ended before this one.

    The delay grows by ``retry_backoff`` each time, up to ``retry_max_delay``, and the share
    ``retry_jitter`` of it is left to chance.
    """
    first = option(package, "retry_delay", Conf.RETRY_DELAY)
    factor = max(1, option(package, "retry_backoff", Conf.RETRY_BACKOFF))
    jitter = min(1, option(package, "retry_jitter", Conf.RETRY_JITTER))
    # A first delay that is longer than the project's greatest one was meant.
    most = option(package, "retry_max_delay", max(Conf.RETRY_MAX_DELAY, first))
    try:
        delay = min(first * float(factor) ** ended, most, MAX_SECONDS)
    except OverflowError:
        delay = min(most, MAX_SECONDS) if first else 0
    delay *= 1 - jitter * random.random()
    if delay <= DELAY_STEP_SECONDS:
        return delay
    return round(math.floor(delay / DELAY_STEP_SECONDS) * DELAY_STEP_SECONDS, 1)


def option(package: Mapping[str, Any], name: str, default: float) -> float:
    """Return a number of a package, at least 0; the default where it has none."""
    value = package.get(name)
    return max(0, default if type(value) not in (int, float) else value)
