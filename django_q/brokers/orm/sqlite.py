"""The ORM broker's table on SQLite."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

from django.db import OperationalError

from django_q.brokers.orm.table import ReturningTable, retry_on_conflict
from django_q.servers.connections import allows_raw_statements
from django_q.servers.database_clock import sql_time

#: Value of ``PRAGMA synchronous``: who syncs less stays at that.
SYNCHRONOUS_NORMAL = 1


class SqliteTable(ReturningTable):
    """The queue in a SQLite file.

    The file is switched to its write-ahead log, which lets readers read while one writes, unless
    ``init_command`` in the settings chooses a journal. Adding to the queue does not wait for the
    disk: what was added outlives the death of each process, but the last moments before a power
    cut may be lost, as on Redis. Other writes stay as they are set.
    """

    #: A connection of the driver that uses the log, and how it is set to sync.
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
            if connection.connection is raw:  # and was not closed after an error
                raw.execute(f"PRAGMA synchronous={before}")

    @retry_on_conflict
    def add(self, connection: Any, payload: str, delay: float) -> int:
        """Add a row, without a cursor where that may be: a cursor takes a quarter of the time."""
        if not allows_raw_statements(connection):
            return super().insert(payload, delay)
        _, parameters = sql_time(connection, delay)
        sql = f'INSERT INTO {self.table} ("key", "payload", "lock") VALUES (?, ?, ?)'
        with connection.wrap_database_errors:
            return connection.connection.execute(sql, [self.key, payload, *parameters]).lastrowid

    def synchronous_mode(self, connection: Any, raw: Any) -> int:
        """Tell how a connection is set to sync; NORMAL where that is not to be changed.

        It is asked once: nobody can end the use of the log while a connection is open.
        """
        logged, value = self.wal_connection
        if logged is raw:
            return value
        if not self.enable_wal(connection, raw):
            return SYNCHRONOUS_NORMAL
        value = pragma(raw, "synchronous")
        self.wal_connection = (raw, value)
        return value

    @staticmethod
    def enable_wal(connection: Any, raw: Any) -> bool:
        """Choose the write-ahead log if that may be; say whether it is in use."""
        journal = pragma(raw, "journal_mode")
        options = connection.settings_dict["OPTIONS"]
        if journal == "delete" and "journal_mode" not in (options.get("init_command") or ""):
            with contextlib.suppress(OperationalError, connection.Database.OperationalError):
                journal = pragma(raw, "journal_mode=WAL")  # or it is busy, and stays as it is
        return journal == "wal"

    @staticmethod
    def driver_connection(connection: Any) -> Any:
        """Give the connection of the driver: its statements are too short for a cursor's cost."""
        connection.ensure_connection()
        return connection.connection

    def data_version(self) -> int:
        """Give a number that changes when another connection has changed the database."""
        return pragma(self.driver_connection(self.connection), "data_version")

    @cached_property
    def files(self) -> list[str]:
        """The files that are written by a change: the database, and its log."""
        path = database_path(self.connection)
        return [path, f"{path}-wal"] if path else []  # a database in memory has none


def database_path(connection: Any) -> str:
    """Give the path of a database; empty where it is in memory."""
    return SqliteTable.driver_connection(connection).execute("PRAGMA database_list").fetchone()[2]


def pragma(raw: Any, name: str) -> Any:
    """Read a value of the database."""
    return raw.execute(f"PRAGMA {name}").fetchone()[0]
