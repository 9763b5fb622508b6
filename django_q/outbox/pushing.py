"""Push tasks of the outbox to their queue, each once.

A task is enqueued under the key of its row, which the broker remembers. Then its row is deleted,
and last the broker forgets the key. So whoever pushes the row again, because nobody knows what
became of the first push, enqueues nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import connections

from django_q.brokers.base import Broker
from django_q.brokers.terms import Enqueued
from django_q.conf import Conf, logger
from django_q.models import OutboxTask
from django_q.outbox.outage import outage_of
from django_q.outbox.rows import add_rows, delete_rows, read_terms_of

#: What is called for a task that was not enqueued as another one has its key: with its row, what
#: the broker has found, and the broker.
Settle = Callable[[OutboxTask, Enqueued, Broker], None]


def push(rows: Sequence[OutboxTask], broker: Broker, settle: Settle) -> None:
    """Enqueue the tasks of rows, but for those that were enqueued before.

    Raises the driver's error where that is unknown, or none was enqueued.
    """
    for row, found in zip(rows, enqueue_rows(rows, broker), strict=True):
        if found is not None and not found.is_new:
            settle(row, found, broker)


def enqueue_rows(rows: Sequence[OutboxTask], broker: Broker) -> list[Enqueued | None]:
    """Enqueue the tasks of rows; None stands for each that was enqueued before."""
    return broker.enqueue_many_once((row.key, row.payload, read_terms_of(row)) for row in rows)


def push_or_keep(rows: Sequence[OutboxTask], broker: Broker) -> list[Enqueued | None] | None:
    """Enqueue tasks outside of a transaction; save their rows where the queue takes none.

    Returns None for those that are saved. Raises the error of the broker where it is no outage, and
    that of the database where neither takes them.
    """
    outage = outage_of(broker.list_key)
    if in_manual_transaction() or outage.is_paused():
        add_rows(rows)
        return None
    try:
        found = enqueue_rows(rows, broker)
    except Exception as error:
        if not broker.is_away(error):
            raise
        outage.begin(error, broker)
        add_rows(rows)
        return None
    outage.end(broker)
    forget(rows, broker, 0)  # there is no row that somebody could push
    return found


def push_committed(rows: Sequence[OutboxTask], broker: Broker, settle: Settle) -> None:
    """Push rows after their transaction has committed; what fails is left to the clusters."""
    outage = outage_of(broker.list_key)
    if outage.is_paused():
        return
    try:
        push(rows, broker, settle)
    except Exception as error:  # the caller can not undo the transaction
        if broker.is_away(error):
            outage.begin(error, broker)
        else:
            logger.exception("tasks could not be pushed from the outbox; clusters try it again")
        return
    outage.end(broker)
    try:
        if delete_rows(rows, unclaimed=True) == len(rows):
            forget(rows, broker, 0)
        else:  # a relay may be about to push them
            finish(rows, broker)
    except Exception as error:
        logger.warning("tasks were pushed and are still in the outbox: %r", error)


def finish(rows: Sequence[OutboxTask], broker: Broker) -> None:
    """Delete rows whose tasks were pushed, and have the broker forget their keys later on."""
    delete_rows(rows)
    forget(rows, broker)


def forget(rows: Sequence[OutboxTask], broker: Broker, seconds: float | None = None) -> None:
    """Have a broker forget the keys of rows in so many seconds; it does so later if it is away."""
    keys = [row.key for row in rows]
    options = () if seconds is None else (seconds,)
    try:
        broker.release_once_keys(keys, *options)
    except Exception as error:
        logger.debug("keys of the outbox are kept for longer: %r", error)


def in_manual_transaction() -> bool:
    """Return True where the caller commits the outbox's database by itself: nothing tells when."""
    connection = connections[Conf.OUTBOX]
    is_open = connection.connection is not None
    return is_open and not connection.autocommit and not connection.in_atomic_block
