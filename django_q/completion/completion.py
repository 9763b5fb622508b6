"""Complete finished tasks: save how they ended, do what follows, acknowledge.

The order is what keeps tasks from being lost: nothing is acknowledged before it is saved, and
what a package asks for afterwards (the next link of its chain, its hook) comes before it is
acknowledged too. A crash in between repeats, and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, router, transaction

from django_q.brokers.base import Broker
from django_q.completion import collation
from django_q.completion.deliveries import (
    acknowledge,
    keep_successes,
    limit_without_state,
    receipts_of,
    release_for_retry,
    release_stopped,
    with_valid_lease,
)
from django_q.completion.finished_task import FinishedTask
from django_q.completion.follow_ups import run_follow_ups
from django_q.completion.recording import save, save_undone, send_signals_and_log
from django_q.completion.resumption import crash_suspects_last
from django_q.completion.steps import CompletionSteps
from django_q.conf import logger
from django_q.exceptions import StoreUnavailable
from django_q.models import Task
from django_q.text.error_text import error_summary
from django_q.wire.package import TaskPackage


def complete(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
    steps: CompletionSteps | None = None,
) -> list[TaskPackage]:
    """Save finished tasks, acknowledge them, and do what follows: links, hooks, signals.

    ``submit`` takes the next link of a chain. ``broker`` is None for tasks that ran inline.
    May be repeated as a whole when it raises, with the same ``steps``; where these are tolerant,
    with a single package, what can not be done is passed over. Returns the links that were
    submitted: what they follow is acknowledged, so that nobody will submit them again.

    Raises ``StoreUnavailable`` while there is no way to write to one of the stores.
    """
    steps = steps or CompletionSteps()
    limit_without_state(packages, broker)
    tasks = with_valid_lease([FinishedTask(package) for package in packages], broker, steps)
    if stopped := [task for task in tasks if task.is_stopped]:
        tasks = [task for task in tasks if not task.is_stopped]
    retried = [task for task in tasks if task.is_retried]
    items = [task for task in tasks if task.is_item and not task.is_retried]
    # A run that is tried again gets no row: a row says that the task has ended.
    single = [task for task in tasks if not (task.is_item or task.is_retried)]
    iterables = steps.attempt(items, "collating", partial(collation.collate, items, broker)) or []
    collated = {iterable.id for iterable in iterables}
    done = [task for task in single if not task.has_follow_up]
    done += [item for item in items if item.group not in collated]
    ended = [*single, *iterables]
    save_and_acknowledge(ended, done, broker, steps)
    if steps.tell:  # before hooks, which may take long
        told = [task.package for task in ended]
        steps.tell(told, lambda: any(task.has_follow_up for task in ended))
    keep_successes(single, broker, steps)
    links: list[TaskPackage] = []
    for task in crash_suspects_last(ended):
        if task.has_follow_up:
            links += run_follow_ups(task, submit, steps, partial(finish, task, broker, steps))
    for iterable in iterables:
        if not iterable.has_follow_up:
            finish(iterable, broker, steps)
    release_for_retry(retried, broker)
    release_stopped(stopped, broker)
    if steps.record:  # here, where no step follows that may fail: each run counts once
        steps.record(tasks)
    send_signals_and_log([*tasks, *iterables])
    return links


def complete_here(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
) -> None:
    """Complete tasks in the process of a caller, who gets the error of a store as it was raised."""
    try:
        complete(packages, broker, submit)
    except StoreUnavailable as unavailable:
        raise (unavailable.__cause__ or unavailable) from None


def save_and_acknowledge(
    tasks: Sequence[FinishedTask],
    done: Sequence[FinishedTask],
    broker: Broker | None,
    steps: CompletionSteps,
) -> None:
    """Save tasks and acknowledge those that are done, in one transaction where that can be.

    That is where results and queue share a database: a crash can not come in between then, and a
    commit is saved. Where the transaction fails, each is done by itself: a server may hang up at a
    row that it refuses.
    """
    alias = router.db_for_write(Task)
    if broker is not None and getattr(broker, "alias", None) == alias:
        try:
            with transaction.atomic(using=alias):
                save(tasks, broker)
                acknowledge(done, broker, CompletionSteps())  # it may be rolled back
            steps.acknowledged.update(receipts_of(done))
            return
        except (DatabaseError, InterfaceError, StoreUnavailable) as error:
            logger.debug("results are saved and then acknowledged: %s", error_summary(error))
    steps.attempt(tasks, "saving", partial(save, tasks, broker))
    acknowledge(done, broker, steps)


def finish(task: FinishedTask, broker: Broker | None, steps: CompletionSteps) -> None:
    """Acknowledge a task, once its row says what could not be done after it.

    An iterable is acknowledged by its items, and its parts are deleted before.
    """
    if task.undone:
        save_undone(task, broker, steps)
    if task.items:
        steps.attempt([], "clearing up", partial(collation.delete_parts, task, broker))
    acknowledge(task.items or [task], broker, steps)
