"""The statements for the ORM broker's table: as few as each kind of database allows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from django_q.brokers.orm.leases.kept_states import MIN_UNCANCELLED_RANK, KeptStates
from django_q.brokers.orm.leases.receipts import Taken, by_fence, receipt, taken
from django_q.brokers.orm.orders.holds import QueueHolds, SeenOrders
from django_q.brokers.terms import OLDEST_FIRST_INTERVAL
from django_q.models import OrmQ, QueueOrder
from django_q.models.schedule_fields.due_times import database_time
from django_q.servers.database_clock import database_now, sql_time, time_expression
from django_q.servers.database_errors import is_conflict, takes_writes
from django_q.servers.statement_retry import report_in_doubt, retry_on_conflict


class QueueTable:
    """The rows of one queue, on any database.

    ``delivery`` of a row is odd while it is leased, and even when it was added or released.
    """

    #: The ``delivery`` of a row that is added.
    FIRST_DELIVERY = 0
    #: Seconds by which each row is due before the next of one call, where the order needs that.
    ROW_INTERVAL = 0.0
    #: SQL of a parameter that is text, and of one that is a number, or either is None.
    TEXT_PARAMETER = NUMBER_PARAMETER = "%s"

    def __init__(self, alias: str, key: str) -> None:
        self.alias, self.key = alias, key
        self.take_count = 0  # of takes that have found something
        self.cluster_id = ""  # of the cluster that takes
        self.seen = SeenOrders()
        #: Whether the last take found nothing while the queue was held back.
        self.is_held = False
        self.kept_states, self.holds = KeptStates(self), QueueHolds(self)

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
    @report_in_doubt
    def insert_many(self, payloads: list[str]) -> list[int]:
        """Add rows, all of them or none. ``bulk_create`` writes the columns of terms, too."""
        lock, names = self.time_expression(), ("key", "payload", "lock")
        rows = [OrmQ(key=self.key, payload=payload, lock=lock) for payload in payloads]
        with transaction.atomic(self.alias, savepoint=False):
            fields = [OrmQ._meta.get_field(name) for name in names]
            added = self.rows._batched_insert(rows, fields, None)
        return [row[0] for row in added] or [None] * len(rows)

    @retry_on_conflict
    def take(self, limit: int, seconds: float) -> Taken:
        """Lease rows that are due for some seconds."""
        ranks = self.ranks()  # before the transaction, which would see no later row

        def lease(count: int, is_cancelled: bool) -> list[tuple]:
            mine = [rank for rank in ranks if rank < MIN_UNCANCELLED_RANK or not is_cancelled]
            return self.lease_due_rows(count, seconds, mine)

        self.is_held = False
        with transaction.atomic(self.alias):
            if self.seen.is_held_back:
                rows = self.holds.take_in_room(limit, lease)
            else:
                rows = self.holds.take_unheld(limit, lease)
        now = any(row[4] for row in rows) and database_time(database_now(self.alias))
        self.take_count += bool(rows)
        return taken(
            [
                (
                    *(pk, payload, (fence + 1) | 1, attempts + 1),
                    *(expires and (expires - now).total_seconds(), digest, *kept),
                )
                for pk, payload, fence, attempts, expires, digest, *kept in rows
            ]
        )

    def lease_due_rows(self, limit: int, seconds: float, ranks: list[int]) -> list[tuple]:
        """Lease rows of some ranks, within a transaction. Returns what they were before."""
        rows = self.lock_due_rows(limit, ranks)
        OrmQ.objects.using(self.alias).filter(pk__in=[row[0] for row in rows]).update(
            lock=self.time_expression(seconds),
            delivery=models.F("delivery") + 1 + models.F("delivery") % 2,  # NEXT_DELIVERY_SQL
            attempts=models.F("attempts") + 1,
        )
        return rows

    def lock_due_rows(self, limit: int, ranks: list[int]) -> list[tuple]:
        """Lock rows that are due, by rank and age; skip those that others have locked."""
        parts = [(rank, limit) for rank in ranks]
        if len(ranks) > 1 and self.begins_with_oldest():
            parts.insert(0, (self.rank_of_oldest(ranks), 1))
        columns = ("pk", "payload", "delivery", "attempts", "expires", "unique_digest")
        columns += ("attempt_state", "position", "cancelled")
        features, found = self.connection.features, {}
        for rank, count in parts:
            due = self.rows.filter(rank=rank, lock__lte=self.time_expression())
            due = due.exclude(pk__in=list(found)).order_by("lock", "pk")
            if not self.seen.is_held_back:
                due = due.extra(where=[self.holds.inactive_sql], params=[self.holds.name])
            count = min(count, limit - len(found))
            if features.supports_select_for_update_with_limit:
                due = due[:count]
            else:
                due = due.filter(pk__in=list(due.values_list("pk", flat=True)[:count]))
            due = due.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
            found |= {row[0]: row for row in due.values_list(*columns)}
            if len(found) >= limit:
                break
        return list(found.values())

    def begins_with_oldest(self) -> bool:
        """Return True if the next take begins with the oldest row, whatever its priority."""
        return self.take_count % OLDEST_FIRST_INTERVAL == OLDEST_FIRST_INTERVAL - 1

    def rank_of_oldest(self, ranks: list[int]) -> int:
        """Return the rank of the row that was added first, of the first due ones of each rank."""
        due = self.rows.filter(lock__lte=self.time_expression()).order_by("lock", "pk")
        firsts = {
            due.filter(rank=rank).values_list("pk", flat=True).first(): rank for rank in ranks
        }
        cancelled = {pk: each for pk, each in firsts.items() if each < MIN_UNCANCELLED_RANK}
        return firsts[min(filter(None, cancelled or firsts), default=None)]

    def must_look_again(self) -> bool:
        """Return True if the last take did not look for all that it may take; ask for orders."""
        return False

    def ranks(self) -> list[int]:
        """List the ranks of the rows, which are few; see to it that each row has one.

        The same statement asks for the orders about the queue.
        """
        sql = (
            f"SELECT DISTINCT {self.quote('rank')}, NULL, 0, 0 FROM {self.table} "
            f"WHERE {self.quote('key')} = %s UNION ALL "
            f"SELECT NULL, name, CASE WHEN is_active THEN 1 ELSE 0 END, version "
            f"FROM {self.orders_table} WHERE name IN (%s, %s)"
        )
        rows = self.fetch(sql, [self.key, self.holds.name, self.holds.notices_name])
        orders = {name: (is_active, version) for _, name, is_active, version in rows if name}
        self.seen = self.holds.seen(orders)
        ranks = {row[0] for row in rows if row[1] is None}
        if None in ranks:
            self.fill_ranks()
        return sorted({rank or 0 for rank in ranks})

    def fill_ranks(self) -> None:
        """Let rows that others have added without a rank count as 0."""
        self.rows.filter(rank=None).update(rank=0)

    @retry_on_conflict
    def delete(self, receipts: Iterable[str]) -> set[str]:
        """Delete rows that are held and have no unique key. Returns the other receipts."""
        return self.change(receipts, f"DELETE FROM {self.table}", [], is_unique=False)

    @retry_on_conflict
    def extend(self, receipts: Iterable[str], seconds: float) -> set[str]:
        """Let leases end some seconds from now. Returns the receipts that were stale."""
        lock, parameters = self.sql_time(seconds)
        sql = f"UPDATE {self.table} SET {self.quote('lock')} = {lock}"
        return self.change(receipts, sql, parameters)

    def change(
        self, receipts: Iterable[str], statement: str, parameters: list, is_unique: bool = True
    ) -> set[str]:
        """Run a statement on the rows whose receipt is valid. Returns the other receipts.

        Without ``is_unique``, rows with a unique key are left out.
        """
        stale: set[str] = set()
        for fence, pks in by_fence(receipts):
            done = set(self.change_rows(statement, parameters, fence, pks, is_unique))
            stale.update(receipt(pk, fence) for pk in pks if pk not in done)
        return stale

    def change_rows(
        self, statement: str, parameters: list, fence: int, pks: list[int], is_unique: bool
    ) -> Iterable:
        """Run a statement on the rows of one fence. Returns the ids of those that it found."""
        with transaction.atomic(self.alias):
            held = self.rows.filter(pk__in=pks, delivery=fence).select_for_update()
            if not is_unique:
                held = held.filter(unique_digest=None)
            found = list(held.values_list("pk", flat=True))
            if found:
                self.execute(f"{statement} WHERE {self.pk_in(found)}", [*parameters, *found])
        return found

    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none."""
        rows = self.rows.filter(lock__isnull=False).order_by("lock").values_list("lock", flat=True)
        locks = [rows.filter(rank=rank).first() for rank in self.ranks()]
        lock = min(filter(None, locks), default=None)
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

    def notify_after_commit(self) -> None:
        """Notify waiting clusters as soon as they can see what was changed."""

    def transaction(self) -> AbstractContextManager:
        """Open a transaction that writes."""
        return transaction.atomic(self.alias)

    #: Gives a context in which transactions commit as quickly as those of ``insert``.
    quick_commits: Callable[[], AbstractContextManager] = nullcontext

    def close(self) -> None:
        """Close this thread's connection, unless it has an open transaction."""
        if not self.connection.in_atomic_block:
            self.connection.close()

    @functools.cached_property
    def table(self) -> str:
        """The name of the table, quoted."""
        return self.quote(OrmQ._meta.db_table)

    @functools.cached_property
    def orders_table(self) -> str:
        """The name of the table of orders, quoted."""
        return self.quote(QueueOrder._meta.db_table)

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
    #: The ranks of a queue's rows, one look into the index for each; the last row is NULL.
    RANKS_SQL = """
        WITH RECURSIVE ranks ("rank") AS (
            SELECT MIN("rank") FROM {table} WHERE "key" = %s
            UNION ALL
            SELECT (
                SELECT MIN(more."rank") FROM {table} AS more
                WHERE more."key" = %s AND more."rank" > ranks."rank"
            ) FROM ranks WHERE ranks."rank" IS NOT NULL
        )
    """
    #: The time at which the next row is due, as a single row.
    NEXT_DUE_SQL = """
        SELECT MIN(next_due) FROM (
            SELECT (
                SELECT MIN("lock") FROM {table} WHERE "key" = %s AND "rank" = ranks."rank"
            ) AS next_due FROM ranks
        ) AS due_times
    """
    NEXT_DELIVERY_SQL = '("delivery" + 1) | 1'
    #: The digest of a task that waits for the end of a row's one.
    SUCCESSOR_SQL = ""
    #: Runs a statement that adds a row, if another has changed one before. Returns whether it did.
    add_row: Callable[..., bool]

    @retry_on_conflict
    @report_in_doubt
    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        connection = self.connection  # a look-up of it takes as long as a statement on SQLite
        lock, parameters = sql_time(connection, delay)
        sql = self.INSERT_SQL.format(table=self.table, lock=lock)
        return fetch_rows(connection, sql, [self.key, payload, *parameters])[0][0]

    def change_rows(
        self, statement: str, parameters: list, fence: int, pks: list[int], is_unique: bool
    ) -> Iterable:
        """Run a statement on the rows of one fence. Returns the ids of those that it found."""
        condition = "" if is_unique else ' AND "unique_digest" IS NULL'
        sql = f'{statement} WHERE {self.pk_in(pks)} AND "delivery" = %s{condition} RETURNING "id"'
        return [row[0] for row in self.fetch(sql, [*parameters, *pks, fence])]


def fetch_rows(connection: Any, sql: str, parameters: list) -> list[tuple]:
    """Run a statement on a connection. Returns its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
