"""The ORM broker's table on SQLite."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from operator import itemgetter
from typing import Any

from django.db import OperationalError, transaction
from django.utils import timezone

from django_q.brokers.orm.leases.kept_states import MIN_UNCANCELLED_RANK
from django_q.brokers.orm.leases.receipts import DIGITS, LETTERS, Taken, taken
from django_q.brokers.orm.orders.holds import seen_orders
from django_q.brokers.orm.table import ReturningTable
from django_q.servers.connections import allows_raw_statements
from django_q.servers.database_clock import sql_time
from django_q.servers.statement_retry import retry_on_conflict

#: Value of ``PRAGMA synchronous``. A lower one in the settings is kept.
SYNCHRONOUS_NORMAL = 1
#: What is read of a row that is taken, as it is then: what ``taken`` expects, rank and lock.
LEASED_COLUMNS = (
    f"queued.id, queued.payload, {ReturningTable.NEXT_DELIVERY_SQL}, queued.attempts + 1, "
    # As text: the driver would make objects of columns with a time.
    "queued.expires || '', queued.unique_digest, "
    "queued.state, queued.position, queued.cancelled, queued.rank, queued.lock || ''"
)
#: The order of those rows: by rank, lock and id.
ORDER = itemgetter(9, 10, 0)
#: Above all ranks.
TOP_RANK = 32_767


class SqliteTable(ReturningTable):
    """The queue in a SQLite file.

    The file is switched to a write-ahead log, which lets others read while one writes, unless
    ``init_command`` in the settings chooses a journal. Adding a row does not wait for the disk: it
    survives a crash of any process, but rows of the last moments before a power cut may be lost, as
    on Redis. Other writes keep the mode that is configured.
    """

    SUCCESSOR_SQL = functools.reduce(
        lambda sql, pair: f"REPLACE({sql}, '{pair[0]}', '{pair[1]}')",
        zip(DIGITS, LETTERS, strict=True),
        "{table}.unique_digest",
    )

    #: The driver's connection that uses the write-ahead log, and its ``PRAGMA synchronous``.
    wal_connection: tuple[Any, int] = (None, SYNCHRONOUS_NORMAL)

    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        connection = self.connection
        raw = self.driver_connection(connection)
        before = self.synchronous_mode(connection, raw)
        if before <= SYNCHRONOUS_NORMAL:
            return self.add(connection, payload, delay)
        raw.execute(f"PRAGMA synchronous={SYNCHRONOUS_NORMAL}")
        try:
            return self.add(connection, payload, delay)
        finally:
            if connection.connection is raw:  # it was not closed after an error
                raw.execute(f"PRAGMA synchronous={before}")

    @contextlib.contextmanager
    def quick_commits(self) -> Iterator[None]:
        """Let transactions that add rows commit without waiting for the disk, as ``insert``."""
        connection = self.connection
        raw = self.driver_connection(connection)
        before = self.synchronous_mode(connection, raw)
        if before <= SYNCHRONOUS_NORMAL:
            yield
            return
        raw.execute(f"PRAGMA synchronous={SYNCHRONOUS_NORMAL}")
        try:
            yield
        finally:
            if connection.connection is raw:  # it was not closed after an error
                raw.execute(f"PRAGMA synchronous={before}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction that writes, so that it can not fail because it has read before."""
        connection = self.connection
        connection.ensure_connection()  # which sets the mode
        before = connection.transaction_mode
        connection.transaction_mode = before or "IMMEDIATE"
        try:
            with transaction.atomic(self.alias):
                yield
        finally:
            connection.transaction_mode = before

    @retry_on_conflict
    def add(self, connection: Any, payload: str, delay: float) -> int:
        """Add a row, without a cursor where possible: a cursor takes a quarter of the time."""
        if not allows_raw_statements(connection):
            return super().insert(payload, delay)
        _, parameters = sql_time(connection, delay)
        sql = f'INSERT INTO {self.table} ("key", "payload", "lock") VALUES (?, ?, ?)'
        with connection.wrap_database_errors:
            return connection.connection.execute(sql, [self.key, payload, *parameters]).lastrowid

    def add_row(self, connection: Any, sql: str, parameters: list, claim: tuple | None) -> bool:
        """Run a statement that adds a row, without a cursor where possible.

        ``claim`` is a statement that has to change a row before. Returns whether the row was added.
        """
        raw = self.driver_connection(connection)
        if self.synchronous_mode(connection, raw) <= SYNCHRONOUS_NORMAL:
            return self.add_claimed(connection, raw, sql, parameters, claim)
        with self.quick_commits():
            return self.add_claimed(connection, raw, sql, parameters, claim)

    def add_claimed(
        self, connection: Any, raw: Any, sql: str, parameters: list, claim: tuple | None
    ) -> bool:
        """Run a statement that adds a row, if another one changes a row before."""
        is_raw = allows_raw_statements(connection)
        execute = raw.execute if is_raw else self.run
        if not claim:
            with connection.wrap_database_errors:
                return execute(with_driver_marks(sql), parameters).rowcount > 0
        with raw_transaction(connection, raw) if is_raw else self.transaction():
            if not execute(with_driver_marks(claim[0]), claim[1]).rowcount:
                return False
            return execute(with_driver_marks(sql), parameters).rowcount > 0

    @retry_on_conflict
    def take(self, limit: int, seconds: float) -> Taken:
        """Lease rows that are due for some seconds, in two steps that nobody comes between.

        One statement with RETURNING would take as long, and return the rows in no order.
        """
        connection = self.connection
        raw = self.driver_connection(connection)
        if connection.in_atomic_block or not allows_raw_statements(connection):
            with self.transaction():
                return self.lease(self.run, limit, seconds)
        with raw_transaction(connection, raw):
            return self.lease(raw.execute, limit, seconds)

    def lease(self, execute: Callable, limit: int, seconds: float) -> Taken:
        """Lease rows, by a function that runs a statement with the driver's parameters."""
        lease_rows = partial(self.lease_rows, execute, seconds)
        self.is_held, known, rows = False, self.seen, []
        if not known.is_held_back:
            rows = lease_rows(limit, False)
            if known.has_notices:
                self.check_rows(execute)  # a full batch has not asked
        if self.seen.is_held_back:
            rows = rows or self.holds.take_in_room(limit, lease_rows)
        elif not rows and self.seen.has_notices > known.has_notices:
            rows = lease_rows(limit, False)
        self.take_count += bool(rows)
        return taken(
            [
                row if row[4] is None else (*row[:4], self.seconds_until(row[4]), *row[5:])
                for row in rows
            ]
        )

    def lease_rows(
        self, execute: Callable, seconds: float, limit: int, is_cancelled: bool
    ) -> list[tuple]:
        """Lease rows that are due, or only cancelled ones. Returns what they are then."""
        (_, (now,)), (_, (end,)) = self.sql_time(), self.sql_time(seconds)
        due = [self.key, self.key, self.key, now]
        limits = [MIN_UNCANCELLED_RANK - 1 if is_cancelled else TOP_RANK, *self.order_names, limit]
        rows, is_oldest_first = (
            execute(self.due_sql, [*due, *limits]).fetchall(),
            self.begins_with_oldest() and not is_cancelled,
        )
        if (is_oldest_first or len(rows) < limit) and self.check_rows(execute):
            self.fill_ranks()
            rows = execute(self.due_sql, [*due, *limits]).fetchall()
        if not rows:
            return []
        rows.sort(key=ORDER)
        if is_oldest_first:
            (oldest,) = execute(self.oldest_sql, due)
            rows = [oldest, *(row for row in rows if row[0] != oldest[0])][:limit]
        pks = [row[0] for row in rows]
        execute(f"{self.lease_sql} ({', '.join('?' * len(pks))})", [end, *pks])
        return rows

    @property
    def order_names(self) -> tuple[str, str]:
        """The names of the rows of orders that keep a statement from taking anything.

        They are those of which it is not known that they are active.
        """
        if self.seen.is_held_back:
            return "", ""
        return self.holds.name, "" if self.seen.has_notices else self.holds.notices_name

    def run(self, sql: str, parameters: list) -> Any:
        """Run a statement with the driver's parameters by Django's cursor. Returns the cursor."""
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("%", "%%").replace("?", "%s"), parameters)
        return cursor

    def check_rows(self, execute: Callable) -> bool:
        """Return True if a row has no rank; see what orders there are about the queue."""
        names = [self.holds.name, self.holds.notices_name]
        found = execute(self.check_sql, [self.key, *names]).fetchone()
        self.seen = seen_orders(*found[1:])
        return bool(found[0])

    @cached_property
    def check_sql(self) -> str:
        """The statement that looks for rows without a rank, and for orders about the queue."""
        return (
            f'SELECT EXISTS (SELECT 1 FROM {self.table} WHERE "key" = ? AND "rank" IS NULL), '
            f"(SELECT is_active FROM {self.orders_table} WHERE name = ?), "
            "(SELECT CASE WHEN is_active THEN version ELSE -version END "
            f"FROM {self.orders_table} WHERE name = ?)"
        )

    @cached_property
    def due_sql(self) -> str:
        """The statement that reads what is due, rank by rank: the join keeps its order."""
        return self.with_ranks(
            f"SELECT {LEASED_COLUMNS} FROM ranks CROSS JOIN {self.table} AS queued "
            'WHERE queued."key" = ? AND queued."rank" = ranks."rank" AND queued."lock" <= ? '
            f'AND ranks."rank" <= ? AND NOT EXISTS (SELECT 1 FROM {self.orders_table} '
            "WHERE name IN (?, ?) AND is_active) LIMIT ?"
        )

    @cached_property
    def oldest_sql(self) -> str:
        """The statement that reads the row added first, of the first due ones of each rank."""
        return self.with_ranks(
            f"SELECT {LEASED_COLUMNS} FROM {self.table} AS queued WHERE queued.id = (SELECT "
            f'(SELECT first.id FROM {self.table} AS first WHERE first."key" = ? AND '
            'first."rank" = ranks."rank" AND first."lock" <= ? ORDER BY first."lock", first.id '
            "LIMIT 1) AS oldest FROM ranks WHERE oldest IS NOT NULL "
            f'ORDER BY ranks."rank" >= {MIN_UNCANCELLED_RANK}, oldest LIMIT 1)'
        )

    @cached_property
    def lease_sql(self) -> str:
        """The statement that leases rows, up to the list of their ids."""
        return (
            f'UPDATE {self.table} SET "lock" = ?, "delivery" = {self.NEXT_DELIVERY_SQL}, '
            '"attempts" = "attempts" + 1 WHERE id IN'
        )

    def with_ranks(self, sql: str) -> str:
        """Put the ranks of the queue before a statement."""
        return self.RANKS_SQL.format(table=self.table).replace("%s", "?") + sql

    @retry_on_conflict
    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none."""
        sql = (self.RANKS_SQL + self.NEXT_DUE_SQL).format(table=self.table)
        due = self.fetch(sql, [self.key] * 3)[0][0]
        return due and self.seconds_until(due)

    def seconds_until(self, text: str) -> float:
        """Return the seconds until a time in a column."""
        then, now = datetime.fromisoformat(text), timezone.now()
        if timezone.is_aware(now):
            then = then.replace(tzinfo=self.connection.timezone)
        return (then - now).total_seconds()

    def synchronous_mode(self, connection: Any, raw: Any) -> int:
        """Return a connection's ``PRAGMA synchronous``; NORMAL where it is to be left as it is.

        It is read once for each connection: while that is open, nobody can turn the log off.
        """
        if connection.in_atomic_block:
            return SYNCHRONOUS_NORMAL
        wal_connection, value = self.wal_connection
        if wal_connection is raw:
            return value
        if not self.enable_wal(connection, raw):
            return SYNCHRONOUS_NORMAL
        value = pragma(raw, "synchronous")
        self.wal_connection = (raw, value)
        return value

    @staticmethod
    def enable_wal(connection: Any, raw: Any) -> bool:
        """Switch to the write-ahead log where permitted. Returns whether it is in use."""
        journal = pragma(raw, "journal_mode")
        options = connection.settings_dict["OPTIONS"]
        if journal == "delete" and "journal_mode" not in (options.get("init_command") or ""):
            with contextlib.suppress(OperationalError, connection.Database.OperationalError):
                journal = pragma(raw, "journal_mode=WAL")  # a busy database keeps its mode
        return journal == "wal"

    @staticmethod
    def driver_connection(connection: Any) -> Any:
        """Return the driver's connection: a cursor would cost more than such short statements."""
        connection.ensure_connection()
        return connection.connection

    def data_version(self) -> int:
        """Return a counter that changes when another connection has changed the database."""
        return pragma(self.driver_connection(self.connection), "data_version")

    @cached_property
    def files(self) -> list[str]:
        """The files that a change writes: the database and its log; none for one in memory."""
        path = database_path(self.connection)
        return [path, f"{path}-wal"] if path else []


def database_path(connection: Any) -> str:
    """Return the path of a database file; an empty one for a database in memory."""
    return SqliteTable.driver_connection(connection).execute("PRAGMA database_list").fetchone()[2]


def pragma(raw: Any, name: str) -> Any:
    """Run a PRAGMA, and return its value."""
    return raw.execute(f"PRAGMA {name}").fetchone()[0]


@functools.lru_cache(maxsize=64)
def with_driver_marks(sql: str) -> str:
    """Replace the marks of Django's parameters by those of the driver."""
    return sql.replace("%s", "?")


@contextlib.contextmanager
def raw_transaction(connection: Any, raw: Any) -> Iterator[None]:
    """Open a transaction of the driver. Errors are raised as Django's."""
    with connection.wrap_database_errors:
        raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            raw.execute("COMMIT")
        except BaseException:
            raw.execute("ROLLBACK")
            raise
