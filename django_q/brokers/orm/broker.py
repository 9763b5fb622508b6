"""The queue in a table of the database that ``Q_CLUSTER['orm']`` names."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import DatabaseError, IntegrityError, connections, models

from django_q.brokers.base import (
    DEAD_SUFFIX,
    ONCE_KEY_GRACE_SECONDS,
    ONCE_KEY_SECONDS,
    Broker,
    Delivery,
    payload_text,
)
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import ORDERS
from django_q.brokers.heartbeats import Heartbeats
from django_q.brokers.orm.clock_watch import ClockWatch
from django_q.brokers.orm.leases.receipts import kept_state
from django_q.brokers.orm.orders.ordered_queue import OrderedQueue
from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.queue_wait import PollingQueueWait, PostgresQueueWait, SqliteQueueWait
from django_q.brokers.orm.sqlite import SqliteTable
from django_q.brokers.orm.table import QueueTable
from django_q.brokers.orm.terms import TermRows
from django_q.brokers.terms import BROKER_OPTIONS, Enqueued, QueueCounts, QueuedTask, Terms
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.models.schedule_fields.due_times import database_time
from django_q.servers.database_clock import database_now

#: By database kind: the class of the table's statements, and that of the wait for its changes.
DATABASE_CLASSES = {
    "sqlite": (SqliteTable, SqliteQueueWait),
    "postgresql": (PostgresTable, PostgresQueueWait),
}
DEFAULT_DATABASE_CLASSES = (QueueTable, PollingQueueWait)
#: Characters of a queue's name at most, as of its column.
MAX_QUEUE_NAME_LENGTH = 100
#: Matches a receipt, and not the id of a row.
is_receipt = re.compile(r"\d+\.\d+").fullmatch


class ORM(OrderedQueue, Broker):
    """A queue in the ``OrmQ`` table: a row's ``lock`` is the end of its lease."""

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"\d+\.\d+"
    serves, obeys, keeps_state = BROKER_OPTIONS, ORDERS, True

    @property
    def alias(self) -> str:
        """The alias of the queue's database."""
        return Conf.ORM or "default"

    @cached_property
    def table(self) -> QueueTable:
        """The statements for the rows of this queue."""
        return DATABASE_CLASSES.get(self.database_kind, DEFAULT_DATABASE_CLASSES)[0](
            self.alias, self.list_key
        )

    @cached_property
    def terms(self) -> TermRows:
        """The statements for rows that have terms."""
        return TermRows(self.table)

    @cached_property
    def queue_wait(self) -> PollingQueueWait:
        """The wait for changes of the queue, as this database allows it."""
        return DATABASE_CLASSES.get(self.database_kind, DEFAULT_DATABASE_CLASSES)[1](self.table)

    @cached_property
    def clock_watch(self) -> ClockWatch:
        """The watch that notices when the database's clock was set back."""
        return ClockWatch(self.table, self.heartbeats)

    @cached_property
    def heartbeats(self) -> Heartbeats:
        """The heartbeats, in the same database."""
        return Heartbeats(self.alias)

    @property
    def database_kind(self) -> str:
        """The vendor; "old sqlite" for a version without RETURNING, treated as an unknown one."""
        connection = connections[self.alias]
        if connection.vendor == "sqlite" and connection.Database.sqlite_version_info < (3, 35):
            return "old sqlite"
        return connection.vendor

    def enqueue(self, payload: str | bytes, delay: float = 0) -> int:
        """Add a row. Returns its id."""
        return self.table.insert(payload_text(payload), delay)

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[int]:
        """Add rows in one transaction. Returns their ids."""
        payloads = [payload_text(payload) for payload in payloads]
        return self.table.insert_many(payloads) if payloads else []

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        """Add rows with terms in one transaction."""
        tasks = [(payload_text(payload), terms) for payload, terms in tasks]
        return self.terms.enqueue(tasks) if tasks else []

    def replace_task(self, version: str, payload: str | bytes, terms: Terms) -> bool:
        """Replace payload and terms of a row that waits, unless it was changed since."""
        return self.terms.replace(version, payload_text(payload), terms)

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        """Find the task that has the unique or idempotency key of these terms."""
        return self.terms.find_duplicate(terms)

    def find(self, task_id: str) -> QueuedTask | None:
        """Find an unfinished task by its id, where it has terms."""
        return self.terms.find(task_id)

    def list_tasks(
        self, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[QueuedTask]:
        """List a page of the unfinished tasks of one state, or of all."""
        return self.terms.page(state, after, limit)

    def count_tasks(self) -> QueueCounts:
        """Count the unfinished tasks by state."""
        return self.terms.count()

    def queue_names(self) -> list[str]:
        """List all queues of this database that have tasks."""
        return self.terms.queue_names()

    def clear_expired_keys(self, limit: int = 1000) -> int:
        """Delete kept keys of any queue, and notices of this one, that are over; how many."""
        return self.terms.clear_expired_keys(limit) + self.notice_rows.clear_expired(limit)

    def enqueue_once(self, payload: str | bytes, key: str, terms: Terms | None = None) -> bool:
        """Add a row and a mark for ``key``. Returns False when the mark exists already."""
        mark, payload = self.mark(key), payload_text(payload)
        try:
            return self.terms.add_once(payload, terms, mark, ONCE_KEY_SECONDS)
        except IntegrityError:
            if self.heartbeats.rows(key=mark).exists():
                return False
            raise  # the row itself was refused

    def release_once_keys(
        self, keys: Iterable[str], seconds: float = ONCE_KEY_GRACE_SECONDS
    ) -> None:
        """Let the marks of keys of ``enqueue_once`` expire in so many seconds."""
        marks = self.heartbeats.rows(key__in=[self.mark(key) for key in keys])
        marks.update(expires=self.table.time_expression(seconds))

    def mark(self, key: str) -> str:
        """Return the heartbeat key under which the mark for a key of ``enqueue_once`` is kept."""
        return f"{self.list_key}:once:{key}"

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take deliveries; see ``Broker.dequeue``."""
        deliveries = self.take_or_wait(limit, self.wait_deadline(wait))
        self.is_held, self.seen_notices_version = self.table.is_held, self.table.seen.version
        return deliveries

    def take_or_wait(self, limit: int, end: float) -> list[Delivery]:
        """Take deliveries, waiting for the first until ``end`` on the monotonic clock."""
        version = self.table.seen.version
        if end > time.monotonic() and not self.queue_wait.is_empty:
            self.clock_watch.check_if_due()
        has_waited = False
        while True:
            if end > time.monotonic():
                self.queue_wait.prepare_wait()
            deliveries = self.take(limit)
            if not (deliveries or has_waited) and end <= time.monotonic():
                deliveries = self.take(limit) if self.table.must_look_again() else []
            has_waited = True
            if deliveries:
                self.queue_wait.reset_interval()
            left = end - time.monotonic()
            if deliveries or left <= 0:
                return deliveries
            # A caller with a wake_fd reads the notices and calls again. A take reads their version,
            # or else the question when something is due, at the beginning of a wait.
            if self.wake_fd is not None and self.table.seen.version != version:
                return []
            if not self.wait_for_change(left):
                return []
            has_news = self.table.seen.version != version
            if self.wake_fd is not None and (has_news or time.monotonic() >= end):
                return []

    def wait_for_change(self, seconds: float) -> bool:
        """Wait until a take may find something. Returns False when ``wake_fd`` became readable."""
        wait = self.queue_wait.wait_held_back if self.table.is_held else self.queue_wait.wait
        return wait(seconds, self.wake_fd)

    def take(self, limit: int) -> list[Delivery]:
        """Take rows that are due; ``query_started_at`` shows meanwhile that a query runs."""
        self.query_started_at, self.table.cluster_id = time.monotonic(), self.cluster_id
        try:
            deliveries, successors = self.table.take(limit, Conf.RETRY)
            while successors and (put_back := self.terms.put_back(successors)):
                more, successors = self.table.take(len(put_back), Conf.RETRY)
                deliveries = [each for each in deliveries if each.ack_id not in put_back] + more
            return deliveries
        finally:
            self.query_started_at = math.inf

    def location(self) -> str:
        """Describe where the queue is, for a warning about a query that takes long."""
        return f"the table {OrmQ._meta.db_table} in '{self.alias}', which others may have locked"

    def acknowledge(self, ack_id: str) -> bool:
        """End a delivery for good; False when it was stale."""
        if not is_receipt(str(ack_id)):
            return self.delete(ack_id)  # the id of a row, from a dequeue() written for django-q2
        return not ORM.acknowledge_many(self, [ack_id])

    def acknowledge_many(self, ack_ids: Iterable[str]) -> set[str]:
        """End deliveries for good. Returns those that were stale."""
        others = self.table.delete(ack_ids)
        others = others and self.terms.delete_unique(others)
        return others and self.terms.end(others, f"DELETE FROM {self.table.table}")

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        stale = self.table.extend(ack_ids, seconds)
        self.clock_watch.check_if_due()  # while all workers are busy no take does this
        if seconds < Conf.RETRY:  # before waiting clusters look again by themselves
            self.table.notify()
        return stale

    def release(
        self,
        ack_ids: Iterable[str],
        delay: float = 0,
        count: bool = True,
        states: Mapping[str, KeptState] | None = None,
    ) -> set[str]:
        """Release deliveries, to be delivered again after ``delay`` seconds, or before others."""
        stale = self.table.kept_states.release(ack_ids, delay, count, states)
        self.table.notify()
        return stale

    def kept_state(self, ack_id: str) -> KeptState | None:
        """Read what is kept beside the payload of a delivery; None if nothing is."""
        pk, _, fence = ack_id.partition(".")
        rows = self.table.rows.filter(pk=pk, delivery=fence)
        texts = rows.values_list("attempt_state", "position", "cancelled").first()
        return kept_state(*texts) if texts and any(texts) else None

    def read(self, ack_id: str) -> str | None:
        """Return the payload of a delivery; None when it is stale."""
        pk, _, fence = ack_id.partition(".")
        rows = self.table.rows.filter(pk=pk, delivery=fence)
        return rows.values_list("payload", flat=True).first()

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and move its row to the dead-letter queue."""
        self.terms.move_to_queue(ack_id, self.dead_key)

    @property
    def dead_key(self) -> str:
        """The name of the dead-letter queue: that of the queue with ``:dead`` added."""
        return self.list_key[: MAX_QUEUE_NAME_LENGTH - len(DEAD_SUFFIX)] + DEAD_SUFFIX

    def dead_size(self) -> int:
        """Count the payloads in the dead-letter queue."""
        return OrmQ.objects.using(self.alias).filter(key=self.dead_key).count()

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return self.terms.size(is_due=True)

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return self.terms.size(is_due=False)

    def delete_queue(self) -> int:
        """Delete the queue with all that is in it, but not its dead letters."""
        return self.table.rows.delete()[0]

    def purge_queue(self) -> int:
        """Delete the payloads that are not leased, delayed ones too."""
        is_waiting = models.Q(lock__lte=self.table.time_expression()) | models.Q(attempts=0)
        return self.table.rows.filter(is_waiting).delete()[0]

    def delete(self, ack_id: Any) -> bool:
        """Delete one payload, by its receipt or the id of its row."""
        return self.terms.delete(self.id_of(ack_id))

    def id_of(self, ack_id: Any) -> int:
        """Return the id of the row that a receipt is for."""
        return int(str(ack_id).partition(".")[0])

    @staticmethod
    def timeout(task: OrmQ | None = None) -> datetime:
        """Return the end of the lease of a row that is taken now; a name of django-q2."""
        return database_time(database_now(Conf.ORM or "default") + timedelta(seconds=Conf.RETRY))

    def ping(self) -> bool:
        """Return True when the database answers; raise its error otherwise."""
        self.table.execute("SELECT 1", [])
        return True

    def is_away(self, error: BaseException) -> bool:
        """Return True if an error is temporary: the class alone does not tell, so try a write."""
        if super().is_away(error):
            return True
        return isinstance(error, DatabaseError) and not self.is_writable()

    def is_writable(self) -> bool:
        """Ask the database whether it accepts a row, which is rolled back."""
        return self.table.is_writable()

    def info(self) -> str:
        """Return the name of the broker and its database."""
        return f"ORM {self.alias}"

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        for name in ("queue_wait", "table"):
            if name in vars(self):
                getattr(self, name).close()
                del vars(self)[name]
        vars(self).pop("terms", None)
        vars(self).pop("notice_rows", None)
        super().close()

    @staticmethod
    def get_connection(list_key: str | None = None) -> models.QuerySet:
        """Return a queryset of the rows of all queues."""
        return OrmQ.objects.using(Conf.ORM or "default")
