"""The ORM broker's table on SQLite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import OperationalError

from django_q.brokers.queue_table import ReturningTable

#: Values of ``PRAGMA synchronous``.
NORMAL, FULL = 1, 2


class SqliteTable(ReturningTable):
    """The queue in a SQLite file.

    The file is switched to its write-ahead log, which lets readers read while one writes, unless
    ``init_command`` in the settings chooses a journal. Adding to the queue does not wait for the
    disk: what was added outlives the death of each process, but the last moments before a power
    cut may be lost, as on Redis. Other writes stay as they are set.
    """

    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        with self.unsynced():
            return super().insert(payload, delay)

    @contextlib.contextmanager
    def unsynced(self) -> Iterator[None]:
        """Commit without waiting for the disk, where the journal lets nothing break by it."""
        raw = self.raw()
        if self.connection.in_atomic_block or not self.use_log(raw):
            yield
            return
        before = pragma(raw, "synchronous")
        raw.execute(f"PRAGMA synchronous={min(before, NORMAL)}")
        try:
            yield
        finally:
            if self.connection.connection is raw:  # and was not closed after an error
                raw.execute(f"PRAGMA synchronous={before}")

    def use_log(self, raw: Any) -> bool:
        """Choose the write-ahead log if that may be; say whether it is in use."""
        journal = pragma(raw, "journal_mode")
        options = self.connection.settings_dict["OPTIONS"]
        if journal == "delete" and "journal_mode" not in (options.get("init_command") or ""):
            with contextlib.suppress(OperationalError, self.connection.Database.OperationalError):
                journal = pragma(raw, "journal_mode=WAL")  # or it is busy, and stays as it is
        return journal == "wal"

    def raw(self) -> Any:
        """Give the connection of the driver: its statements are too short for a cursor's cost."""
        self.connection.ensure_connection()
        return self.connection.connection

    def version(self) -> int:
        """Give a number that changes when another connection has changed the database."""
        return pragma(self.raw(), "data_version")


def pragma(raw: Any, name: str) -> Any:
    """Read a value of the database."""
    return raw.execute(f"PRAGMA {name}").fetchone()[0]
