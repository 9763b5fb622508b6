"""Wait until the queue in a database may have something to take.

``prepare_wait`` is called before a take that may find nothing, so that a change between the take
and the wait ends the wait at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from django.db import Error

from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.sqlite import SqliteTable
from django_q.brokers.orm.table import QueueTable
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable
from django_q.servers.inotify import Inotify
from django_q.servers.notifications import listen, read_notifications

logger = logging.getLogger("django-q")

#: Seconds between two polls of the queue: at first, and at most.
MIN_QUEUE_POLL_INTERVAL, MAX_QUEUE_POLL_INTERVAL = 0.05, 1.0
#: Seconds between two reads of SQLite's change counter: at first, and at most, where the kernel
#: does not notify of changes and where it does.
MIN_COUNTER_INTERVAL, MAX_COUNTER_INTERVAL, MAX_NOTIFIED_COUNTER_INTERVAL = 0.002, 0.04, 5.0
#: Seconds between two polls of a queue that is held back: at first, and at most.
MIN_HELD_POLL_INTERVAL, MAX_HELD_POLL_INTERVAL = 0.02, 0.4
#: Seconds between two attempts to listen.
LISTEN_RETRY_INTERVAL = 5
#: Seconds that a test notification may take.
NOTIFICATION_TEST_TIMEOUT = 2


class PollingQueueWait:
    """Polls the queue, less often while nothing comes."""

    #: Whether the queue is known to be empty: nothing waits, is leased or delayed.
    is_empty = False

    def __init__(self, table: QueueTable) -> None:
        self.table = table
        self.interval, self.held_interval = MIN_QUEUE_POLL_INTERVAL, MIN_HELD_POLL_INTERVAL

    def prepare_wait(self) -> None:
        """Prepare to notice changes, before a take."""

    def reset_interval(self) -> None:
        """Start with short intervals again, after a take that found something."""
        self.interval, self.held_interval = MIN_QUEUE_POLL_INTERVAL, MIN_HELD_POLL_INTERVAL
        self.is_empty = False

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until a take may find something. Returns False when ``wake_fd`` became readable."""
        self.is_empty = False  # as it is not known: this class does not count rows
        pause, self.interval = (
            self.interval,
            min(self.interval * 1.5, max(MAX_QUEUE_POLL_INTERVAL, Conf.POLL)),
        )
        return not wait_until_readable([wake_fd], min(seconds, pause))

    def wait_held_back(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait while the queue is held back, as by a pause. Returns False as ``wait`` does.

        A lease may end at any time, and then a limit lets another task begin: so the first waits
        are short.
        """
        self.is_empty = False
        pause, self.held_interval = (
            self.held_interval,
            min(self.held_interval * 1.5, MAX_HELD_POLL_INTERVAL),
        )
        return not wait_until_readable([wake_fd], min(seconds, pause))

    def close(self) -> None:
        """Close the connections."""


class SqliteQueueWait(PollingQueueWait):
    """Waits until another connection has changed the SQLite file, or a lease ends.

    SQLite's change counter is read when the kernel notifies that the file was written. Where it
    does not, as on some network file systems, the counter is read every 40 ms.
    """

    table: SqliteTable

    def __init__(self, table: SqliteTable) -> None:
        super().__init__(table)
        self.interval = 0.0
        self.inotify: Inotify | None = None
        with contextlib.suppress(OSError):
            self.inotify = Inotify()

    def prepare_wait(self) -> None:
        """Read the change counter of the file, before a take."""
        if self.inotify:
            try:
                self.inotify.watch(self.table.files)
                self.inotify.discard_events()
            except OSError:  # no more watches for this user
                self.close()
        self.data_version = self.table.data_version()

    def reset_interval(self) -> None:
        """Start with short intervals again, after a take that found something."""
        self.interval, self.held_interval = 0.0, MIN_HELD_POLL_INTERVAL
        self.is_empty = False

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until a take may find something. Returns False when ``wake_fd`` became readable.

        While changes bring no task, as when others write to the same database, it waits longer
        and longer before it returns.
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
        # The file is written before SQLite can read the change; a sync of the disk is in between.
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
            self.close()  # a file system without notifications
        return True

    def close(self) -> None:
        """Close the inotify descriptor."""
        if self.inotify:
            self.inotify.close()
            self.inotify = None


class PostgresQueueWait(PollingQueueWait):
    """Waits until PostgreSQL notifies of a change, or a lease ends.

    It listens on a connection of its own. Where notifications do not arrive, as behind a pooler,
    it polls.
    """

    table: PostgresTable

    def __init__(self, table: PostgresTable) -> None:
        super().__init__(table)
        self.listener: Any = None
        self.can_listen = table.connection.Database.__name__ in ("psycopg", "psycopg2")
        self.next_try = 0.0

    def prepare_wait(self) -> None:
        """Start to listen, before a take, unless a connection listens already."""
        wrapper = self.table.connection
        if self.listener or not self.can_listen or wrapper.in_atomic_block:
            return
        if time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + LISTEN_RETRY_INTERVAL
        with contextlib.suppress(wrapper.Database.Error):
            self.listener = listen(wrapper, self.table.channel)
        if self.listener and not self.receives_notifications():
            logger.warning(
                "Notifications of PostgreSQL do not arrive, as behind some poolers or in tables "
                "made without migrations; the broker polls."
            )
            self.can_listen = False
            self.close()

    def receives_notifications(self) -> bool:
        """Test whether the trigger exists, and whether a notification arrives that is sent now."""
        if not self.table.has_notify_trigger():
            return False
        self.table.notify()
        return (
            bool(wait_until_readable([self.listener.fileno()], NOTIFICATION_TEST_TIMEOUT))
            and self.read_notifications()
        )

    def wait(self, seconds: float, wake_fd: int | None) -> bool:
        """Wait until a take may find something. Returns False when ``wake_fd`` became readable."""
        if not self.listener:
            return super().wait(seconds, wake_fd)
        due = self.table.due_in()
        self.is_empty = due is None
        longest = min(seconds, Conf.RETRY)
        ready = wait_until_readable(
            [self.listener.fileno(), wake_fd], longest if due is None else min(longest, due)
        )
        if ready and wake_fd not in ready:
            self.read_notifications()
        return wake_fd not in ready

    def read_notifications(self) -> bool:
        """Read the notifications that have arrived. Returns False when the connection failed."""
        try:
            read_notifications(self.listener)
        except self.table.connection.Database.Error:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the connection that listens."""
        if self.listener:
            with contextlib.suppress(Error):
                self.listener.close()
            self.listener = None
