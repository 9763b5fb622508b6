"""The ORM broker's table on SQLite."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

from django.db import OperationalError

from django_q.brokers.orm.table import ReturningTable, retry_on_conflict
from django_q.servers.connections import allows_raw_statements
from django_q.servers.database_clock import sql_time

#: Value of ``PRAGMA synchronous``. A lower one in the settings is kept.
SYNCHRONOUS_NORMAL = 1


class SqliteTable(ReturningTable):
    """The queue in a SQLite file.

    The file is switched to a write-ahead log, which lets others read while one writes, unless
    ``init_command`` in the settings chooses a journal. Adding a row does not wait for the disk: it
    survives a crash of any process, but rows of the last moments before a power cut may be lost, as
    on Redis. Other writes keep the mode that is configured.
    """

    #: The driver's connection that uses the write-ahead log, and its ``PRAGMA synchronous``.
    wal_connection: tuple[Any, int] = (None, SYNCHRONOUS_NORMAL)

    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        connection = self.connection
        raw = self.driver_connection(connection)
        before = (
            SYNCHRONOUS_NORMAL
            if connection.in_atomic_block
            else self.synchronous_mode(connection, raw)
        )
        if before <= SYNCHRONOUS_NORMAL:
            return self.add(connection, payload, delay)
        raw.execute(f"PRAGMA synchronous={SYNCHRONOUS_NORMAL}")
        try:
            return self.add(connection, payload, delay)
        finally:
            if connection.connection is raw:  # it was not closed after an error
                raw.execute(f"PRAGMA synchronous={before}")

    @retry_on_conflict
    def add(self, connection: Any, payload: str, delay: float) -> int:
        """Add a row, without a cursor where possible: a cursor takes a quarter of the time."""
        if not allows_raw_statements(connection):
            return super().insert(payload, delay)
        _, parameters = sql_time(connection, delay)
        sql = f'INSERT INTO {self.table} ("key", "payload", "lock") VALUES (?, ?, ?)'
        with connection.wrap_database_errors:
            return connection.connection.execute(sql, [self.key, payload, *parameters]).lastrowid

    def synchronous_mode(self, connection: Any, raw: Any) -> int:
        """Return a connection's ``PRAGMA synchronous``; NORMAL where it must not be changed.

        It is read once for each connection: while that is open, nobody can turn the log off.
        """
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
