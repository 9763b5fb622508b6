"""Record how tasks ended: rows, the cache, the signal ``post_execute``, the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django_q.brokers.base import Broker
from django_q.completion.finished_task import FinishedTask
from django_q.completion.steps import CompletionSteps
from django_q.conf import logger
from django_q.execution.framework_calls import announce_unexecuted_end
from django_q.foreign_code.guards import send_signal_safely
from django_q.results import cache, saving
from django_q.results.rows import PICKLED_COLUMNS, unpickled
from django_q.signals import SENDER, post_execute
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
    """Send ``post_execute`` and write the log line of each task."""
    has_listeners = post_execute.has_listeners(SENDER)
    is_verbose = logger.isEnabledFor(logging.INFO)
    for task in tasks:
        if "backend" in task.package and not (task.is_retried or "announced" in task.package):
            announce_unexecuted_end(task.package)
        if has_listeners:
            send_post_execute(task)
        if not task.package["success"]:
            logger.error(
                "Failed '%s' (%s)%s - %s",
                task.func_name,
                task.name,
                ", to be tried again" if task.is_retried else "",
                printable_paragraph(safe_str(unpickled(task.package["result"]))),
            )
        elif is_verbose:
            logger.info("Processed '%s' (%s)", task.func_name, task.name)


def send_post_execute(task: FinishedTask) -> None:
    """Send ``post_execute``; what receivers raise is logged."""
    values = {key: unpickled(task.package[key]) for key in PICKLED_COLUMNS}
    package = {**task.package, **values}
    send_signal_safely(
        post_execute, "post_execute", task.name, task.id, sender=SENDER, task=package
    )
