"""Record how tasks ended: rows, the cache, the signal ``post_execute``, the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.dispatch import Signal

from django_q.brokers.base import Broker
from django_q.completion.finished_task import FinishedTask
from django_q.completion.steps import CompletionSteps
from django_q.conf import logger
from django_q.execution.framework_calls import announce_unexecuted_end
from django_q.foreign_code.guards import send_signal_safely
from django_q.results import cache, saving
from django_q.results.rows import PICKLED_COLUMNS, unpickled
from django_q.signals import SENDER, attempt_ended, post_execute
from django_q.text.error_text import safe_str
from django_q.text.printable import printable_paragraph


def save(tasks: Sequence[FinishedTask], broker: Broker | None) -> None:
    """Save finished tasks: in the cache those that asked for it, the others as rows."""
    saving.save_wanted([task.package for task in tasks if task.wants_row])
    for task in tasks:
        if task.is_cached:
            # Nobody waits in the process of a caller, where tasks have no receipts.
            cache.save(task.package, broker, waits=task.receipt is not None)


def save_undone(task: FinishedTask, broker: Broker | None, steps: CompletionSteps) -> None:
    """Add to what is saved of a task what could not be done after it."""
    if task.is_cached:
        cache.save(task.package, broker)
    else:
        steps.attempt([], "noting that in the row", lambda: saving.update_undone(task.package))


def send_signals_and_log(tasks: Sequence[FinishedTask]) -> None:
    """Send ``attempt_ended`` and ``post_execute``, and write the log line of each task."""
    has_attempt_receivers = attempt_ended.has_listeners(SENDER)
    has_listeners = post_execute.has_listeners(SENDER)
    is_verbose = logger.isEnabledFor(logging.INFO)
    for task in tasks:
        if "backend" in task.package and not (task.is_retried or "announced" in task.package):
            announce_unexecuted_end(task.package)
        if has_attempt_receivers and not task.items:
            send_attempt_ended(task)
        if has_listeners:
            send_safely(post_execute, "post_execute", task)
        if not task.package["success"]:
            logger.error(
                "Failed '%s' (%s)%s - %s",
                task.func_name,
                task.name,
                retry_text(task) if task.is_retried else "",
                printable_paragraph(safe_str(unpickled(task.package["result"]))),
                extra=task.log_fields,
            )
        elif is_verbose:
            logger.info("Processed '%s' (%s)", task.func_name, task.name, extra=task.log_fields)


def retry_text(task: FinishedTask) -> str:
    """Say when a task is run again, and which of its attempts that is."""
    delay, limit = task.retry_delay, task.attempt_limit
    when = f"in {round(delay, 1):.12g} s" if delay else "at once"
    number = f"{task.attempt + 1} of {limit}" if limit else f"{task.attempt + 1}"
    return f", to be tried again {when} (attempt {number})"


def send_attempt_ended(task: FinishedTask) -> None:
    """Send ``attempt_ended`` for the end of an attempt, be it the last or not."""
    send_safely(
        *(attempt_ended, "attempt_ended", task),
        attempt=task.attempt,
        limit=task.attempt_limit,
        retry_in=task.retry_delay if task.is_retried else None,
        is_final=not task.is_retried,
    )


def send_safely(signal: Signal, name: str, task: FinishedTask, **about: Any) -> None:
    """Send a signal with the package of a task; what receivers raise is logged."""
    values = {key: unpickled(task.package[key]) for key in PICKLED_COLUMNS}
    package = {**task.package, **values}
    send_signal_safely(signal, name, task.name, task.id, sender=SENDER, task=package, **about)
