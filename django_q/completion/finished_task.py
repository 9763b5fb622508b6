"""A finished task, and the questions that whoever completes it asks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeGuard

from django_q.conf import Conf, logger
from django_q.exceptions import Retry
from django_q.execution.retry_policy import allowed_retries
from django_q.execution.run_details import log_fields
from django_q.results.saving import wants_row
from django_q.signals import attempt_ended, post_execute
from django_q.task_state.attempts import attempts_of
from django_q.text.function_names import dotted_name, exception_path
from django_q.wire.option_types import MAX_SECONDS
from django_q.wire.package import TaskPackage, is_iterable_item

RETRY_PATH = exception_path(Retry)
#: Keys of what follows from the end of a task.
FOLLOW_UPS = ("hook", "chain", "schedule")
#: Classes whose empty values stand for nothing.
EMPTY_TYPES = frozenset({str, tuple, list, dict, bool, int})


class FinishedTask:
    """A task that has ended, made of its package, which stays the dictionary that travels.

    What is asked for each task of a batch is worked out once, when the object is made.
    """

    def __init__(self, package: TaskPackage, items: Sequence[FinishedTask] = ()) -> None:
        self.package = package
        #: The items of an iterable whose deliveries are acknowledged with it.
        self.items = items
        #: Whether it is an item of an iterable.
        self.is_item = is_iterable_item(package)
        #: Whether the stop of its cluster has interrupted it: that is no end.
        self.is_stopped = package.get("stopped_at") is not None and not package["success"]
        #: Whether it has failed and is delivered again.
        self.is_retried = not (package["success"] or self.is_stopped) and is_retried(package)
        #: Whether more than a signal follows: a hook, a link of a chain, a note in its schedule.
        self.has_follow_up = has_follow_up(package)

    @property
    def id(self) -> str:
        """Its id; that of the whole for an iterable."""
        return self.package["id"]

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.package["name"]

    @property
    def group(self) -> Any:
        """Its group; the id of the iterable for an item."""
        return self.package.get("group")

    @property
    def receipt(self) -> Any:
        """The receipt of its delivery; None where it was not delivered."""
        return self.package.get("ack_id")

    @property
    def is_cached(self) -> bool:
        """Whether its result is kept in the cache, and not in a row."""
        return bool(self.package.get("cached"))

    @property
    def wants_row(self) -> bool:
        """Whether its result is kept in a row."""
        return not self.is_cached and wants_row(self.package)

    @property
    def retry_delay(self) -> float:
        """The seconds until it is delivered again; at once where its worker has died."""
        if is_seconds(delay := self.package.get("retry_in")):
            return delay
        return 0 if self.package.get("handed_back") else Conf.RETRY

    @property
    def attempt(self) -> int:
        """Which of its attempts has ended, from 1: those that were recorded count."""
        return attempts_of(self.package).count + 1

    @property
    def attempt_limit(self) -> int | None:
        """How many attempts it has at most; None where that is not limited, or not known."""
        package = self.package
        retries = allowed_retries(package, is_retry=package.get("exception") == RETRY_PATH)
        limits = [retries + 1] if retries else []
        if deliveries := max_attempts(package):
            limits.append(deliveries)
        return min(limits, default=None)

    @property
    def undone(self) -> str:
        """What could not be done after it, in words."""
        return self.package.get("undone") or ""

    @cached_property
    def func_name(self) -> str:
        """The path of its function, for the log."""
        return dotted_name(self.package["func"])

    @property
    def log_fields(self) -> dict[str, Any]:
        """The ``extra`` of a log line about it."""
        return log_fields(self.package)

    def note_undone(self, text: str) -> None:
        """Note what could not be done after it; its row will say so."""
        fields = self.log_fields
        logger.error("'%s' (%s): %s", self.func_name, self.name, text, extra=fields)
        self.package["undone"] = f"{self.undone}; {text}" if self.undone else text


#: The receipts of tasks that need nothing more than to be acknowledged, and what is counted of
#: their runs: see ``rollups/short_runs.py``, empty where nobody counts. A plain tuple, as there may
#: be one for each task: an instance of a class takes four times as long from process to process.
DoneReceipts = tuple[list[Any], tuple[Any, ...]]


def is_done_receipts(item: Any) -> TypeGuard[DoneReceipts]:
    """Return whether an item of the result queue is ``DoneReceipts``: no other is a tuple."""
    return type(item) is tuple


def needs_only_acknowledging(package: TaskPackage) -> bool:
    """Return whether nothing is left to do for a task that has ended but to acknowledge it.

    A worker asks this alone of each task, and makes no object for it.
    """
    return not (
        wants_row(package)
        or package.get("cached")
        or has_follow_up(package)
        or is_iterable_item(package)
        or post_execute.receivers
        or attempt_ended.receivers
        or logger.isEnabledFor(logging.INFO)
    )


def has_follow_up(package: TaskPackage) -> bool:
    """Return whether more than a signal follows from the end of a task.

    The values may be of any class, which is not asked whether it is true.
    """
    if not ("hook" in package or "chain" in package or "schedule" in package):
        return False  # the usual case, which a loop would take four times as long for
    for key in FOLLOW_UPS:
        value = package.get(key)
        if value is not None and (type(value) not in EMPTY_TYPES or value):
            return True
    return False


def max_attempts(package: TaskPackage) -> int:
    """Return how often a task may be delivered; 0 is without limit."""
    return package.get("max_attempts") or Conf.MAX_ATTEMPTS


def is_retried(package: TaskPackage) -> bool:
    """Return whether a failed task is run again, which happens only where it was asked for.

    ``retry_in`` is what the options of its retries say: None for an end that is final. Where they
    say nothing, ``max_attempts`` and ``ack_failure`` count. ``handed_back`` marks the task of a
    worker that died, which is run again unasked.
    """
    if "expired" in package or package.get("cancelled"):
        return False
    if package.get("handed_back"):
        return True
    if "retry_in" in package:
        return is_seconds(package["retry_in"])
    if "ack_id" not in package:
        return False
    limit = max_attempts(package)
    asked = limit > 1 or not package.get("ack_failure", Conf.ACK_FAILURES)
    return asked and (limit == 0 or package.get("attempt", 1) < limit)


def is_seconds(value: Any) -> bool:
    """Return whether a value is a delay; a receiver of a signal may have put anything there."""
    return type(value) in (int, float) and 0 <= value <= MAX_SECONDS
