"""The statements for the ORM broker's table: as few as each kind of database allows."""

from __future__ import annotations

import functools
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import InterfaceError, OperationalError, connections, models, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from django_q.brokers.base import Delivery
from django_q.models import Heartbeat, OrmQ
from django_q.servers.connections import takes_writes
from django_q.servers.database_clock import sql_time, time_expression
from django_q.servers.database_errors import in_doubt_text, is_conflict, is_disconnect

#: Seconds for which a statement is repeated while other transactions lock the database.
LOCK_RETRY_SECONDS = 20
#: Ids in one statement at most; some SQLite allow no more than 999 values.
MAX_IDS_PER_STATEMENT = 900


def retry_on_conflict(method: Callable) -> Callable:
    """Repeat a method that conflicts with other transactions; close a connection that failed."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        end = None
        while True:
            try:
                return method(self, *args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                end = end or time.monotonic() + LOCK_RETRY_SECONDS
                if not self.may_repeat(error) or time.monotonic() > end:
                    raise
            time.sleep(random.uniform(0.005, 0.05))

    return wrapper


def report_in_doubt(method: Callable) -> Callable:
    """Make an error say so when nobody knows whether the row was added before it."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        may_be_in_doubt = connection.connection is not None and not connection.in_atomic_block
        try:
            return method(self, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if may_be_in_doubt and is_disconnect(error) and not is_connected(connection):
                raise OperationalError(in_doubt_text(error)) from error.__cause__
            raise

    return wrapper


def is_connected(connection: Any) -> bool:
    """Return True if a connection can still be used after an error."""
    return connection.connection is not None and connection.is_usable()


class QueueTable:
    """The rows of one queue, on any database."""

    def __init__(self, alias: str, key: str) -> None:
        self.alias = alias
        self.key = key

    @property
    def connection(self) -> Any:
        """This thread's connection to the database."""
        return connections[self.alias]

    @property
    def rows(self) -> models.QuerySet:
        """A queryset of the queue's rows."""
        return OrmQ.objects.using(self.alias).filter(key=self.key)

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when repeated.

        Inside a transaction it can not: the caller would have to repeat all of it.
        """
        if self.connection.in_atomic_block:
            return False
        if is_conflict(error):
            return True
        self.connection.close_if_unusable_or_obsolete()
        return False

    def sql_time(self, seconds: float = 0) -> tuple[str, list]:
        """Return SQL for the time in ``seconds`` from now, and its parameters."""
        return sql_time(self.connection, seconds)

    def time_expression(self, seconds: float = 0) -> RawSQL:
        """Return an expression for the time in ``seconds`` from now, for a queryset."""
        return time_expression(self.alias, seconds)

    @retry_on_conflict
    @report_in_doubt
    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        return self.rows.create(key=self.key, payload=payload, lock=self.time_expression(delay)).pk

    @retry_on_conflict
    def insert_once(self, payload: str, mark: str, seconds: float) -> None:
        """Add a row, and a mark that expires. Raises ``IntegrityError`` where the mark exists."""
        with transaction.atomic(self.alias):
            row = Heartbeat(key=mark, expires=self.time_expression(seconds))
            row.save(using=self.alias, force_insert=True)
            self.insert(payload)

    @retry_on_conflict
    @report_in_doubt
    def insert_many(self, payloads: list[str]) -> list[int]:
        """Add rows, all of them or none."""
        rows = [
            OrmQ(key=self.key, payload=payload, lock=self.time_expression()) for payload in payloads
        ]
        return [row.pk for row in self.rows.bulk_create(rows)]

    @retry_on_conflict
    def take(self, limit: int, seconds: float) -> list[Delivery]:
        """Lease rows that are due for some seconds."""
        with transaction.atomic(self.alias):
            rows = list(
                self.lock_due_rows(limit).values_list("pk", "payload", "delivery", "attempts")
            )
            OrmQ.objects.using(self.alias).filter(pk__in=[row[0] for row in rows]).update(
                lock=self.time_expression(seconds),
                delivery=models.F("delivery") + 1,
                attempts=models.F("attempts") + 1,
            )
        return [
            Delivery(receipt(pk, delivery + 1), payload, attempts + 1)
            for pk, payload, delivery, attempts in rows
        ]

    def lock_due_rows(self, limit: int) -> models.QuerySet:
        """Lock rows that are due, the oldest first; skip those that others have locked."""
        features = self.connection.features
        due = self.rows.filter(lock__lte=self.time_expression()).order_by("lock", "pk")
        if features.supports_select_for_update_with_limit:
            due = due[:limit]
        else:
            due = due.filter(pk__in=list(due.values_list("pk", flat=True)[:limit]))
        return due.select_for_update(skip_locked=features.has_select_for_update_skip_locked)

    @retry_on_conflict
    def delete(self, receipts: Iterable[str]) -> set[str]:
        """Delete rows that are held. Returns the receipts that were stale."""
        return self.change(receipts, f"DELETE FROM {self.table}", [])

    @retry_on_conflict
    def update(self, receipts: Iterable[str], seconds: float, **columns: str) -> set[str]:
        """Change rows that are held: the end of the lease, and columns by SQL expressions.

        Returns the receipts that were stale.
        """
        lock, parameters = self.sql_time(seconds)
        columns = {"lock": lock, **columns}
        changes = ", ".join(f"{self.quote(name)} = {sql}" for name, sql in columns.items())
        return self.change(receipts, f"UPDATE {self.table} SET {changes}", parameters)

    @retry_on_conflict
    def move_to_queue(self, receipt: str, key: str) -> set[str]:
        """Move a row that is held to another queue. Returns the receipt when it was stale."""
        name, until = self.quote("key"), self.quote("lock")
        change = f"UPDATE {self.table} SET {name} = %s, {until} = NULL, delivery = delivery + 1"
        return self.change([receipt], change, [key])

    def change(self, receipts: Iterable[str], statement: str, parameters: list) -> set[str]:
        """Run a statement on the rows whose receipt is valid. Returns the stale receipts."""
        stale: set[str] = set()
        for fence, pks in by_fence(receipts):
            done = set(self.change_rows(statement, parameters, fence, pks))
            stale.update(receipt(pk, fence) for pk in pks if pk not in done)
        return stale

    def change_rows(self, statement: str, parameters: list, fence: int, pks: list[int]) -> Iterable:
        """Run a statement on the rows of one fence. Returns the ids of those that it found."""
        with transaction.atomic(self.alias):
            held = self.rows.filter(pk__in=pks, delivery=fence).select_for_update()
            found = list(held.values_list("pk", flat=True))
            if found:
                self.execute(f"{statement} WHERE {self.pk_in(found)}", [*parameters, *found])
        return found

    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none."""
        rows = self.rows.order_by("lock").values_list("lock", flat=True)
        lock = rows.filter(lock__isnull=False).first()
        return lock and (lock - timezone.now()).total_seconds()

    def is_writable(self) -> bool:
        """Return True if the database permits to add, change and delete a row; roll it back."""

        def write() -> None:
            pk = self.rows.create(key=self.key, payload="", lock=None).pk
            self.rows.filter(pk=pk).update(delivery=models.F("delivery") + 1)
            self.rows.filter(pk=pk)._raw_delete(self.alias)

        return takes_writes(self.alias, write)

    def notify(self) -> None:
        """Notify waiting clusters that there may be something to take; here they poll."""

    def close(self) -> None:
        """Close this thread's connection, unless it has an open transaction."""
        if not self.connection.in_atomic_block:
            self.connection.close()

    @functools.cached_property
    def table(self) -> str:
        """The name of the table, quoted."""
        return self.quote(OrmQ._meta.db_table)

    def quote(self, name: str) -> str:
        """Quote the name of a table or column."""
        return self.connection.ops.quote_name(name)

    def pk_in(self, pks: list) -> str:
        """Return the SQL of a condition on ids, with a parameter for each."""
        return f"id IN ({', '.join(['%s'] * len(pks))})"

    def execute(self, sql: str, parameters: list) -> None:
        """Run a statement; rows that it returns are not read."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)

    def fetch(self, sql: str, parameters: list) -> list[tuple]:
        """Run a statement. Returns its rows."""
        return fetch_rows(self.connection, sql, parameters)


class ReturningTable(QueueTable):
    """The queue on a database whose UPDATE and DELETE return rows: each step is one statement."""

    INSERT_SQL = (
        'INSERT INTO {table} ("key", "payload", "lock") VALUES (%s, %s, {lock}) RETURNING "id"'
    )
    TAKE_SQL = """
        WITH due AS (
            SELECT "id" FROM {table} WHERE "key" = %s AND "lock" <= {now}
            ORDER BY "lock", "id" LIMIT %s
        )
        UPDATE {table}
        SET "lock" = {lock}, "delivery" = "delivery" + 1, "attempts" = "attempts" + 1
        WHERE "id" IN (SELECT "id" FROM due)
        RETURNING "id", "payload", "delivery", "attempts"
    """

    #: Number of parameters of ``TAKE_SQL`` that are the queue's name.
    TAKE_KEY_COUNT = 1
    ANY_ROW_SQL = 'SELECT 1 FROM {table} WHERE "key" = %s AND "lock" IS NOT NULL LIMIT 1'

    @retry_on_conflict
    @report_in_doubt
    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        connection = self.connection  # a look-up of it takes as long as a statement on SQLite
        lock, parameters = sql_time(connection, delay)
        sql = self.INSERT_SQL.format(table=self.table, lock=lock)
        return fetch_rows(connection, sql, [self.key, payload, *parameters])[0][0]

    @retry_on_conflict
    def take(self, limit: int, seconds: float) -> list[Delivery]:
        """Lease rows that are due for some seconds."""
        (lock, end), (now, start) = self.sql_time(seconds), self.sql_time()
        sql = self.TAKE_SQL.format(table=self.table, lock=lock, now=now)
        keys = [self.key] * self.TAKE_KEY_COUNT
        rows = self.fetch(sql, [*keys, *start, limit, *end])
        # They are returned in no order. Ids are in the order of the queue, but for delayed rows.
        return [
            Delivery(receipt(pk, fence), payload, attempt)
            for pk, payload, fence, attempt in sorted(rows)
        ]

    def change_rows(self, statement: str, parameters: list, fence: int, pks: list[int]) -> Iterable:
        """Run a statement on the rows of one fence. Returns the ids of those that it found."""
        sql = f'{statement} WHERE {self.pk_in(pks)} AND "delivery" = %s RETURNING "id"'
        return [row[0] for row in self.fetch(sql, [*parameters, *pks, fence])]

    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none.

        This is asked most often of an empty queue, which is found out without a queryset.
        """
        is_there = self.fetch(self.ANY_ROW_SQL.format(table=self.table), [self.key])
        return super().due_in() if is_there else None


def fetch_rows(connection: Any, sql: str, parameters: list) -> list[tuple]:
    """Run a statement on a connection. Returns its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def receipt(pk: int, fence: int) -> str:
    """Make the receipt of a delivery: the id of the row, and the number of its delivery."""
    return f"{pk}.{fence}"


def by_fence(receipts: Iterable[str]) -> Iterator[tuple[int, list[int]]]:
    """Group receipts by fence, in parts that fit in one statement."""
    found: dict[int, list[int]] = defaultdict(list)
    for each in receipts:
        pk, _, fence = each.partition(".")
        found[int(fence)].append(int(pk))
    for fence, pks in found.items():
        # Always in the same order, so that no two statements deadlock.
        pks.sort()
        for start in range(0, len(pks), MAX_IDS_PER_STATEMENT):
            yield fence, pks[start : start + MAX_IDS_PER_STATEMENT]
