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
from django_q.descriptor_wait import wait_until_readable

logger = logging.getLogger("django-q")

#: Seconds between two looks of who polls: the first, and what they grow to.
MIN_QUEUE_POLL_INTERVAL, MAX_QUEUE_POLL_INTERVAL = 0.05, 1.0
#: Seconds between two looks at SQLite's change counter: at first, and what they grow to where the
#: kernel does not tell of changes, and where it does.
MIN_COUNTER_INTERVAL, MAX_COUNTER_INTERVAL, MAX_NOTIFIED_COUNTER_INTERVAL = 0.002, 0.04, 5.0
#: Connection parameters of a listener, unless the settings say otherwise.
LISTENER_CONNECTION_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
#: Seconds between two attempts to listen.
LISTEN_RETRY_INTERVAL = 5
#: Seconds that a test notification may take.
NOTIFICATION_TEST_TIMEOUT = 2


class PollingQueueWait:
    """Looks again and again, less often while nothing comes."""

    #: Whether the queue is known to have nothing in it, be it leased or delayed.
    is_empty = False

    def __init__(self, table: QueueTable) -> None:
        self.table = table
        self.interval = MIN_QUEUE_POLL_INTERVAL

    def prepare_wait(self) -> None:
        """Get ready, before a look."""

    def reset_interval(self) -> None:
        """Note that a look has found something."""
        self.interval = MIN_QUEUE_POLL_INTERVAL
        self.is_empty = False

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        self.is_empty = False  # as far as is known: who polls does not ask
        pause, self.interval = (
            self.interval,
            min(self.interval * 1.5, max(MAX_QUEUE_POLL_INTERVAL, Conf.POLL)),
        )
        return not wait_until_readable([wake_fd], min(seconds, pause))

    def close(self) -> None:
        """Let go of connections."""


class SqliteQueueWait(PollingQueueWait):
    """Looks when SQLite says that another connection has changed the file, or a lease ends.

    The kernel tells when to ask SQLite. Where it does not, as on some network file systems,
    SQLite is asked every 40 ms.
    """

    table: SqliteTable

    def __init__(self, table: SqliteTable) -> None:
        super().__init__(table)
        self.interval = 0.0
        self.inotify: Inotify | None = None
        with contextlib.suppress(OSError):
            self.inotify = Inotify()

    def prepare_wait(self) -> None:
        """Note the state of the file, before a look."""
        if self.inotify:
            try:
                self.inotify.watch(self.table.files)
                self.inotify.discard_events()
            except OSError:  # no more watches for this user
                self.close()
        self.data_version = self.table.data_version()

    def reset_interval(self) -> None:
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
        pause, self.interval = (
            self.interval,
            min(self.interval * 2 or MIN_COUNTER_INTERVAL, MAX_COUNTER_INTERVAL),
        )
        if wait_until_readable([wake_fd], pause):
            return False
        # A file is written before SQLite can read what was: by as long as the disk takes to sync.
        tick = MIN_COUNTER_INTERVAL
        while self.table.data_version() == self.data_version:
            if (left := end - time.monotonic()) <= 0:
                return True
            ready = wait_until_readable([wake_fd, self.inotify], min(left, tick))
            if wake_fd in ready:
                return False
            tick = min(
                tick * 8, MAX_NOTIFIED_COUNTER_INTERVAL if self.inotify else MAX_COUNTER_INTERVAL
            )
            if self.inotify in ready:
                self.inotify.discard_events()
                tick = MIN_COUNTER_INTERVAL
        if (
            self.inotify
            and tick == MAX_NOTIFIED_COUNTER_INTERVAL
            and not wait_until_readable([self.inotify], 0)
        ):
            self.close()  # a file system of which the kernel does not tell
        return True

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.inotify:
            self.inotify.close()
            self.inotify = None


class PostgresQueueWait(PollingQueueWait):
    """Looks when PostgreSQL notifies it, or a lease ends.

    It has a connection of its own. Where notifications do not arrive, as behind a pooler, it
    polls.
    """

    table: PostgresTable

    def __init__(self, table: PostgresTable) -> None:
        super().__init__(table)
        self.listener: Any = None
        self.can_listen = table.connection.Database.__name__ in ("psycopg", "psycopg2")
        self.next_try = 0.0

    def prepare_wait(self) -> None:
        """Listen, before a look."""
        wrapper = self.table.connection
        if self.listener or not self.can_listen or wrapper.in_atomic_block:
            return
        if time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + LISTEN_RETRY_INTERVAL
        with contextlib.suppress(wrapper.Database.Error):
            self.listener = self.listen(wrapper)
        if self.listener and not self.receives_notifications():
            logger.warning(
                "Notifications of PostgreSQL do not arrive, as behind some poolers or in tables "
                "made without migrations; the broker polls."
            )
            self.can_listen = False
            self.close()

    def listen(self, wrapper: Any) -> Any:
        """Open a connection that hears of changes."""
        listener = wrapper.Database.connect(
            **{**LISTENER_CONNECTION_OPTIONS, **wrapper.get_connection_params()}
        )
        listener.autocommit = True
        listener.cursor().execute(f'LISTEN "{self.table.channel}"')
        return listener

    def receives_notifications(self) -> bool:
        """Try whether notifications are sent, and one by the other connection arrives."""
        if not self.table.has_notify_trigger():
            return False
        self.table.notify()
        return (
            bool(wait_until_readable([self.listener.fileno()], NOTIFICATION_TEST_TIMEOUT))
            and self.read_notifications()
        )

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until another look is worth it; False when ``wake_fd`` says stop."""
        if not self.listener:
            return super().wait(seconds, wake_fd)
        due = self.table.due_in()
        self.is_empty = due is None
        patience = min(seconds, Conf.RETRY)
        ready = wait_until_readable(
            [self.listener.fileno(), wake_fd], patience if due is None else min(patience, due)
        )
        if ready and wake_fd not in ready:
            self.read_notifications()
        return wake_fd not in ready

    def read_notifications(self) -> bool:
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
