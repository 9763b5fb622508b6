"""How the ORM broker waits for something to take.

A watch is marked before the look that finds nothing, so that what comes between the look and the
wait ends the wait at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.db import Error, connections
from django.db.migrations.recorder import MigrationRecorder

from django_q.brokers.postgres_table import PostgresTable
from django_q.brokers.queue_table import QueueTable
from django_q.brokers.sqlite_table import SqliteTable
from django_q.brokers.waiting import readable
from django_q.conf import Conf

logger = logging.getLogger("django-q")

#: Seconds between two looks of who polls: the first, and what they grow to.
SHORTEST, LONGEST = 0.05, 1.0
#: Seconds between two looks at SQLite's change counter.
TICK = 0.04
#: Seconds that a listener waits for a notification before it looks by itself.
PATIENCE = 30
#: Seconds for which a listener looks often after a producer that does not notify, as processes of
#: the predecessors do not; and at first in a database that was theirs.
DISTRUST = 600
#: Migrations up to this one are applied in one go where a database was never theirs: with no longer
#: pause between two of them. A slow server may take longer, and then is looked at needlessly.
OURS, PAUSE = "0020_scheduler_and_orm_broker", timedelta(seconds=0.5)
#: Connection parameters of a listener, unless the settings say otherwise.
LISTENER = {"connect_timeout": 5, "keepalives_idle": 30}
#: Seconds between two attempts to listen.
RETRY = 5
#: Seconds that a test notification may take.
PROBE = 2


class Polling:
    """Looks again and again, less often while nothing comes."""

    def __init__(self, table: QueueTable) -> None:
        self.table = table
        self.interval = SHORTEST

    def mark(self) -> None:
        """Get ready, before a look."""

    def found(self) -> None:
        """Note that a look has found something."""
        self.interval = SHORTEST

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        pause, self.interval = self.interval, min(self.interval * 1.5, max(LONGEST, Conf.POLL))
        return not readable([wake_fd], min(seconds, pause))

    def close(self) -> None:
        """Let go of connections."""


class WatchingFile(Polling):
    """Looks when SQLite says that another connection has changed the file, or a lease ends."""

    table: SqliteTable

    def mark(self) -> None:
        """Note the state of the file, before a look."""
        self.version = self.table.version()

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        due = self.table.due_in()
        end = time.monotonic() + (seconds if due is None else min(seconds, due))
        while self.table.version() == self.version and (left := end - time.monotonic()) > 0:
            if readable([wake_fd], min(left, TICK)):
                return False
        return True


class Listening(Polling):
    """Looks when PostgreSQL notifies it, or a lease ends.

    It has a connection of its own. Where notifications do not arrive, as behind a pooler, it
    polls.
    """

    table: PostgresTable

    def __init__(self, table: PostgresTable) -> None:
        super().__init__(table)
        self.listener: Any = None
        self.is_possible = table.connection.Database.__name__ == "psycopg"
        self.next_try = 0.0
        self.was_silent = False
        self.distrusts_until = 0.0

    def mark(self) -> None:
        """Listen, before a look."""
        wrapper = self.table.connection
        if self.listener or not self.is_possible or wrapper.in_atomic_block:
            return
        if time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + RETRY
        with contextlib.suppress(wrapper.Database.Error):
            self.listener = self.listen(wrapper)
            if was_of_predecessor(self.table.alias):
                self.distrusts_until = time.monotonic() + DISTRUST
        if self.listener and not self.hears():
            logger.warning("Notifications of PostgreSQL do not arrive; the broker polls.")
            self.is_possible = False
            self.close()

    def listen(self, wrapper: Any) -> Any:
        """Open a connection that hears of changes."""
        parameters = {
            "connect_timeout": 5,
            "keepalives_idle": 30,
            **wrapper.get_connection_params(),
        }
        listener = wrapper.Database.connect(**{**parameters, "autocommit": True})
        listener.execute(f'LISTEN "{self.table.channel}"')
        return listener

    def hears(self) -> bool:
        """Try whether a notification by the other connection arrives."""
        self.table.notify()
        return bool(readable([self.listener.fileno()], PROBE)) and self.consume()

    def found(self) -> None:
        """Note that a look has found something, and whether nobody had told of it."""
        super().found()
        if self.was_silent:
            self.distrusts_until = time.monotonic() + DISTRUST

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        self.was_silent = False
        if not self.listener:
            return super().wait(seconds, wake_fd)
        due = self.table.due_in()
        trusted = LONGEST if time.monotonic() < self.distrusts_until else min(PATIENCE, Conf.RETRY)
        patience = min(seconds, trusted)
        if due is None:
            due = patience
        ready = readable([self.listener.fileno(), wake_fd], min(patience, due))
        self.was_silent = not ready and due >= patience
        if ready and wake_fd not in ready:
            self.consume()
        return wake_fd not in ready

    def consume(self) -> bool:
        """Read what has arrived. False when the connection has failed."""
        raw = self.listener.pgconn
        try:
            raw.consume_input()
            while raw.notifies():
                pass
        except self.table.connection.Database.Error:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the connection."""
        if self.listener:
            with contextlib.suppress(Error):
                self.listener.close()
            self.listener = None


def was_of_predecessor(alias: str) -> bool:
    """Whether a predecessor has made the tables: producers of its may still be there."""
    with contextlib.suppress(Error):
        applied = MigrationRecorder(connections[alias]).migration_qs.filter(app="django_q")
        times = applied.filter(name__lte=OURS).values_list("applied", flat=True)
        return any(then - before > PAUSE for before, then in pairwise(sorted(times)))
    return False
