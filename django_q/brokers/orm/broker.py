"""The queue in a table of the database that ``Q_CLUSTER['orm']`` names."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import DatabaseError, IntegrityError, connections, models

from django_q.brokers.base import DEAD, FORGOTTEN, REMEMBERED, Broker, Delivery
from django_q.brokers.heartbeats import Heartbeats
from django_q.brokers.orm.clock_watch import Timekeeper
from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.queue_wait import Listening, Polling, WatchingFile
from django_q.brokers.orm.sqlite import SqliteTable
from django_q.brokers.orm.table import QueueTable
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.models.schedule_fields.due_times import stored
from django_q.servers.database_clock import now_in

#: By kind: how to speak to the table, and how to wait for a change of it.
DATABASES = {
    "sqlite": (SqliteTable, WatchingFile),
    "postgresql": (PostgresTable, Listening),
}
ANY_OTHER = (QueueTable, Polling)
#: Characters of a queue's name.
LONGEST_KEY = 100
#: Seconds before now: what is due since then comes before what waits in the queue.
AHEAD = 86400
#: Tells a receipt from the id of a row.
OWN = re.compile(r"\d+\.\d+").fullmatch


class ORM(Broker):
    """A queue in the ``OrmQ`` table: a row's ``lock`` is the end of its lease."""

    counts_all, takes_back, receipt_form = True, True, r"\d+\.\d+"

    @property
    def alias(self) -> str:
        """The database."""
        return Conf.ORM or "default"

    @cached_property
    def table(self) -> QueueTable:
        """The rows of this queue."""
        return DATABASES.get(self.kind, ANY_OTHER)[0](self.alias, self.list_key)

    @cached_property
    def watch(self) -> Polling:
        """What knows when another look is worth it."""
        return DATABASES.get(self.kind, ANY_OTHER)[1](self.table)

    @cached_property
    def timekeeper(self) -> Timekeeper:
        """What notices that the database's clock was set back."""
        return Timekeeper(self.table, self.heartbeats)

    @cached_property
    def heartbeats(self) -> Heartbeats:
        """The heartbeats, in the same database."""
        return Heartbeats(self.alias)

    @property
    def kind(self) -> str:
        """The kind of database; a SQLite that can not return rows is any other."""
        connection = connections[self.alias]
        if connection.vendor == "sqlite" and connection.Database.sqlite_version_info < (3, 35):
            return "old sqlite"
        return connection.vendor

    def enqueue(self, payload: str | bytes, delay: float = 0) -> int:
        """Add a row; returns its id."""
        return self.table.insert(text(payload), delay)

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[int]:
        """Add rows in one transaction; returns their ids."""
        payloads = [text(payload) for payload in payloads]
        return self.table.insert_many(payloads) if payloads else []

    def enqueue_once(self, payload: str | bytes, key: str) -> bool:
        """Add a row and a mark for its key, unless the mark is there; whether it did."""
        try:
            self.table.insert_once(text(payload), self.mark(key), REMEMBERED)
        except IntegrityError:
            if self.heartbeats.rows(key=self.mark(key)).exists():
                return False
            raise  # it is about the row
        return True

    def forget(self, keys: Iterable[str]) -> None:
        """Let the marks of keys of ``enqueue_once`` go, within the hour."""
        marks = self.heartbeats.rows(key__in=[self.mark(key) for key in keys])
        marks.update(expires=self.table.expression(FORGOTTEN))

    def mark(self, key: str) -> str:
        """Name the mark of a key of ``enqueue_once``: it is kept as a heartbeat is."""
        return f"{self.list_key}:once:{key}"

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take deliveries; see ``Broker.dequeue``."""
        end = self.end_of_wait(wait)
        if end > time.monotonic() and not self.watch.is_empty:
            self.timekeeper.look()
        while True:
            if end > time.monotonic():
                self.watch.mark()
            deliveries = self.take(limit)
            if deliveries:
                self.watch.found()
            left = end - time.monotonic()
            if deliveries or left <= 0 or not self.watch.wait(left, self.wake_fd):
                return deliveries
            if self.wake_fd is not None and time.monotonic() >= end:
                return []  # who can be woken asks again, and that is another look

    def take(self, limit: int) -> list[Delivery]:
        """Take what is due, and have it seen meanwhile that the database is asked."""
        self.asking_since = time.monotonic()
        try:
            return self.table.take(limit, Conf.RETRY)
        finally:
            self.asking_since = math.inf

    def place(self) -> str:
        """Say in words where the queue is."""
        return f"the table {OrmQ._meta.db_table} in '{self.alias}', which others may have locked"

    def acknowledge(self, ack_id: str) -> bool:
        """End a delivery for good; False when it was stale."""
        if not OWN(str(ack_id)):  # the id of a row, from a dequeue() that was written for django-q2
            return self.delete(ack_id)
        return not ORM.acknowledge_many(self, [ack_id])

    def acknowledge_many(self, ack_ids: Iterable[str]) -> set[str]:
        """End deliveries for good. Returns those that were stale."""
        return self.table.delete(ack_ids)

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        stale = self.table.update(ack_ids, seconds)
        self.timekeeper.look()  # nobody takes while all workers are busy
        if seconds < Conf.RETRY:  # sooner than those who wait look again by themselves
            self.table.notify()
        return stale

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        """Hand deliveries back, to be delivered again after ``delay`` seconds, or first of all."""
        attempts = "attempts" if count else "attempts - 1"
        seconds = delay or -AHEAD
        stale = self.table.update(ack_ids, seconds, delivery="delivery + 1", attempts=attempts)
        self.table.notify()
        return stale

    def read(self, ack_id: str) -> str | None:
        """Give the payload of a delivery; None when it is stale."""
        pk, _, fence = ack_id.partition(".")
        rows = self.table.rows.filter(pk=pk, delivery=fence)
        return rows.values_list("payload", flat=True).first()

    def bury(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and keep its row under the name of the queue with ``:dead`` added."""
        self.table.rename(ack_id, self.dead_key)

    @property
    def dead_key(self) -> str:
        """The name under which buried payloads are kept."""
        return self.list_key[: LONGEST_KEY - len(DEAD)] + DEAD

    def dead_size(self) -> int:
        """Count the payloads that were buried."""
        return OrmQ.objects.using(self.alias).filter(key=self.dead_key).count()

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return self.table.rows.filter(lock__lte=self.table.expression()).count()

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return self.table.rows.filter(lock__gt=self.table.expression()).count()

    def delete_queue(self) -> int:
        """Delete the queue with all that is in it but what was buried."""
        return self.table.rows.delete()[0]

    def purge_queue(self) -> int:
        """Delete what nobody has taken yet, delayed or not."""
        is_waiting = models.Q(lock__lte=self.table.expression()) | models.Q(attempts=0)
        return self.table.rows.filter(is_waiting).delete()[0]

    def delete(self, ack_id: Any) -> bool:
        """Delete one payload, by its receipt or the id of its row."""
        return bool(self.table.rows.filter(pk=self.id_of(ack_id)).delete()[0])

    def id_of(self, ack_id: Any) -> int:
        """Give the id of the row that a receipt is for."""
        return int(str(ack_id).partition(".")[0])

    @staticmethod
    def timeout(task: OrmQ | None = None) -> datetime:
        """Tell until when a row that is taken now is leased, as django-q2 does."""
        return stored(now_in(Conf.ORM or "default") + timedelta(seconds=Conf.RETRY))

    def ping(self) -> bool:
        """Say whether the database answers."""
        self.table.execute("SELECT 1", [])
        return True

    def is_away(self, error: BaseException) -> bool:
        """Whether an error passes: of a database it is not the class that says so."""
        if super().is_away(error):
            return True
        return isinstance(error, DatabaseError) and not self.takes_changes()

    def takes_changes(self) -> bool:
        """Ask the database whether it takes a row, which does not stay."""
        return self.table.takes_rows()

    def info(self) -> str:
        """Name the database."""
        return f"ORM {self.alias}"

    def close(self) -> None:
        """Drop the connections; they are made again when needed."""
        for name in ("watch", "table"):
            if name in vars(self):
                getattr(self, name).close()
                del vars(self)[name]
        super().close()

    @staticmethod
    def get_connection(list_key: str | None = None) -> models.QuerySet:
        """Give the rows of all queues."""
        return OrmQ.objects.using(Conf.ORM or "default")


def text(payload: str | bytes) -> str:
    """Make text of a payload; a signed package has nothing but ASCII."""
    return payload.decode("utf-8", "backslashreplace") if isinstance(payload, bytes) else payload
