"""The deliveries of finished tasks: is the lease still held, acknowledge, release for a retry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from django_q.brokers.base import Broker
from django_q.completion.finished_task import FinishedTask
from django_q.completion.steps import CompletionSteps, call_broker
from django_q.conf import Conf, logger


def with_valid_lease(
    tasks: Sequence[FinishedTask], broker: Broker | None, steps: CompletionSteps
) -> Sequence[FinishedTask]:
    """Leave out the runs whose lease has ended: another run of the task counts."""
    now = time.monotonic()
    doubtful = [t.receipt for t in tasks if t.package.get("leased_until", now) < now]
    doubtful = [receipt for receipt in doubtful if receipt not in steps.acknowledged]
    if broker is None or not doubtful:
        return tasks
    extend = partial(call_broker, broker, broker.extend, doubtful, Conf.RETRY)
    stale = steps.attempt(tasks, "extending the lease", extend)
    if not stale:
        return tasks
    for task in tasks:
        if task.receipt in stale:
            logger.warning(
                "the result of '%s' (%s) is dropped: its lease ended, and another run counts",
                task.func_name,
                task.name,
            )
    return [task for task in tasks if task.receipt not in stale]


def receipts_of(tasks: Sequence[FinishedTask]) -> list[Any]:
    """List the receipts of tasks that were delivered."""
    return [task.receipt for task in tasks if task.receipt is not None]


def acknowledge(
    tasks: Sequence[FinishedTask], broker: Broker | None, steps: CompletionSteps
) -> None:
    """Tell the broker that these deliveries are done."""
    receipts = receipts_of(tasks)
    if broker is not None and receipts:
        step = partial(call_broker, broker, broker.acknowledge_many, receipts)
        steps.attempt(tasks, "acknowledging", step)
        steps.acknowledged.update(receipts)


def release_for_retry(tasks: Sequence[FinishedTask], broker: Broker | None) -> None:
    """Release deliveries: those of a crash at once, those of a failure after ``retry`` seconds."""
    if broker is None or not tasks:
        return
    for delay in (0, Conf.RETRY):
        receipts = [
            task.receipt for task in tasks if bool(task.package.get("handed_back")) is (delay == 0)
        ]
        if receipts:
            call_broker(broker, broker.release, receipts, delay=delay)
