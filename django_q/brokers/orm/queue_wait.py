"""How the ORM broker waits for something to take.

A watch is marked before the look that finds nothing, so that what comes between the look and the
wait ends the wait at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from django.db import Error

from django_q.brokers.orm.inotify import Inotify
from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.sqlite import SqliteTable
from django_q.brokers.orm.table import QueueTable
from django_q.conf import Conf
from django_q.descriptor_wait import readable

logger = logging.getLogger("django-q")

#: Seconds between two looks of who polls: the first, and what they grow to.
SHORTEST, LONGEST = 0.05, 1.0
#: Seconds between two looks at SQLite's change counter: at first, and what they grow to where the
#: kernel does not tell of changes, and where it does.
SOON, TICK, REST = 0.002, 0.04, 5.0
#: Connection parameters of a listener, unless the settings say otherwise.
LISTENER = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
#: Seconds between two attempts to listen.
RETRY = 5
#: Seconds that a test notification may take.
PROBE = 2


class Polling:
    """Looks again and again, less often while nothing comes."""

    #: Whether the queue is known to have nothing in it, be it leased or delayed.
    is_empty = False

    def __init__(self, table: QueueTable) -> None:
        self.table = table
        self.interval = SHORTEST

    def mark(self) -> None:
        """Get ready, before a look."""

    def found(self) -> None:
        """Note that a look has found something."""
        self.interval = SHORTEST
        self.is_empty = False

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        self.is_empty = False  # as far as is known: who polls does not ask
        pause, self.interval = self.interval, min(self.interval * 1.5, max(LONGEST, Conf.POLL))
        return not readable([wake_fd], min(seconds, pause))

    def close(self) -> None:
        """Let go of connections."""


class WatchingFile(Polling):
    """Looks when SQLite says that another connection has changed the file, or a lease ends.

    The kernel tells when to ask SQLite. Where it does not, as on some network file systems,
    SQLite is asked every 40 ms.
    """

    table: SqliteTable

    def __init__(self, table: SqliteTable) -> None:
        super().__init__(table)
        self.interval = 0.0
        self.written: Inotify | None = None
        with contextlib.suppress(OSError):
            self.written = Inotify()

    def mark(self) -> None:
        """Note the state of the file, before a look."""
        if self.written:
            try:
                self.written.watch(self.table.files)
                self.written.forget()
            except OSError:  # no more watches for this user
                self.close()
        self.version = self.table.version()

    def found(self) -> None:
        """Note that a look has found something."""
        self.interval = 0.0
        self.is_empty = False

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop.

        Changes that bring nothing, as when others use the same database, are looked at less and
        less often.
        """
        due = self.table.due_in()
        self.is_empty = due is None
        end = time.monotonic() + (seconds if due is None else min(seconds, due))
        pause, self.interval = self.interval, min(self.interval * 2 or SOON, TICK)
        if readable([wake_fd], pause):
            return False
        # A file is written before SQLite can read what was: by as long as the disk takes to sync.
        tick = SOON
        while self.table.version() == self.version:
            if (left := end - time.monotonic()) <= 0:
                return True
            ready = readable([wake_fd, self.written], min(left, tick))
            if wake_fd in ready:
                return False
            tick = min(tick * 8, REST if self.written else TICK)
            if self.written in ready:
                self.written.forget()
                tick = SOON
        if self.written and tick == REST and not readable([self.written], 0):
            self.close()  # a file system of which the kernel does not tell
        return True

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.written:
            self.written.close()
            self.written = None


class Listening(Polling):
    """Looks when PostgreSQL notifies it, or a lease ends.

    It has a connection of its own. Where notifications do not arrive, as behind a pooler, it
    polls.
    """

    table: PostgresTable

    def __init__(self, table: PostgresTable) -> None:
        super().__init__(table)
        self.listener: Any = None
        self.is_possible = table.connection.Database.__name__ in ("psycopg", "psycopg2")
        self.next_try = 0.0

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
        if self.listener and not self.hears():
            logger.warning(
                "Notifications of PostgreSQL do not arrive, as behind some poolers or in tables "
                "made without migrations; the broker polls."
            )
            self.is_possible = False
            self.close()

    def listen(self, wrapper: Any) -> Any:
        """Open a connection that hears of changes."""
        listener = wrapper.Database.connect(**{**LISTENER, **wrapper.get_connection_params()})
        listener.autocommit = True
        listener.cursor().execute(f'LISTEN "{self.table.channel}"')
        return listener

    def hears(self) -> bool:
        """Try whether notifications are sent, and one by the other connection arrives."""
        if not self.table.tells_of_changes():
            return False
        self.table.notify()
        return bool(readable([self.listener.fileno()], PROBE)) and self.consume()

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        if not self.listener:
            return super().wait(seconds, wake_fd)
        due = self.table.due_in()
        self.is_empty = due is None
        patience = min(seconds, Conf.RETRY)
        ready = readable(
            [self.listener.fileno(), wake_fd], patience if due is None else min(patience, due)
        )
        if ready and wake_fd not in ready:
            self.consume()
        return wake_fd not in ready

    def consume(self) -> bool:
        """Read what has arrived. False when the connection has failed."""
        try:
            if raw := getattr(self.listener, "pgconn", None):
                raw.consume_input()
                while raw.notifies():
                    pass
            else:  # psycopg 2, which keeps them
                self.listener.poll()
                self.listener.notifies.clear()
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
