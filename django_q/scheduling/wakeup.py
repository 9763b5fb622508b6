"""Wake the schedulers at once when a schedule was saved.

The message goes by the server of the broker where that is Redis, by the database where that is
PostgreSQL, and by the database's file where that is SQLite.

A process that saves a schedule sends a message without content, and each scheduler then reads the
table. A message that is lost delays a change until the next periodic check, and loses nothing.

On SQLite the message is a change of the file's times by ``os.utime``: inotify on Linux reports
that as an event of its own (IN_ATTRIB), which writing to the database does not cause.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from django_q.brokers import broker_class
from django_q.brokers.base import Broker
from django_q.brokers.orm.queue_wait import PostgresQueueWait
from django_q.brokers.orm.sqlite import database_path
from django_q.brokers.scheduler_wakeup import (
    NOTIFIED_CHECK_INTERVAL,
    UNNOTIFIED_CHECK_INTERVAL,
    SchedulerWakeup,
)
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable
from django_q.models import Schedule
from django_q.servers.inotify import IN_ATTRIB, Inotify

#: The channel on PostgreSQL.
SCHEDULES_CHANNEL = "django_q_schedules"


@receiver(post_save, sender=Schedule, dispatch_uid="django_q.scheduling.wakeup")
def wake_schedulers(using: str, **kwargs: Any) -> None:
    """Notify the schedulers of all clusters when the transaction commits."""
    if Conf.SYNC:
        return
    if notify := broker_notifier():
        transaction.on_commit(notify, using=using)
    elif connections[using].vendor == "postgresql":
        ScheduleChannel(using).notify()
    elif connections[using].vendor == "sqlite":
        transaction.on_commit(partial(touch, database_path(connections[using])), using=using)


def broker_notifier() -> Callable[[], Any] | None:
    """Find what notifies schedulers by the broker of the settings; None where it has nothing."""
    try:
        return getattr(broker_class(), "notify_schedulers", None)
    except (ImproperlyConfigured, ImportError):
        return None


def touch(path: str) -> None:
    """Set the times of a file to now; do nothing where that is not permitted."""
    with contextlib.suppress(OSError):
        os.utime(path)


class ScheduleChannel:
    """The channel on PostgreSQL, as ``PostgresQueueWait`` expects it."""

    channel = SCHEDULES_CHANNEL

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def connection(self) -> Any:
        """The connection of this thread."""
        return connections[self.alias]

    def has_notify_trigger(self) -> bool:
        """Return True: ``wake_schedulers`` notifies every listener, without a trigger."""
        return True

    def notify(self) -> None:
        """Send the message when the transaction commits; at once where none is open."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT PG_NOTIFY(%s, '')", [self.channel])


class PostgresSchedulerWakeup(SchedulerWakeup):
    """Waits for notifications of PostgreSQL, on a connection of its own."""

    def __init__(self, alias: str) -> None:
        self.listening = PostgresQueueWait(ScheduleChannel(alias))

    @property
    def check_interval(self) -> float:
        """Seconds until the table is read even if no message arrives."""
        return NOTIFIED_CHECK_INTERVAL if self.listening.listener else UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Listen, where the driver and a pooler between here and the server allow it."""
        self.listening.prepare_wait()

    def sources(self) -> list[Any]:
        """List the descriptor of the connection."""
        return [self.listening.listener.fileno()] if self.listening.listener else []

    def drain(self) -> None:
        """Read the messages that have arrived; a connection that has failed is made anew."""
        self.listening.read_notifications()

    def close(self) -> None:
        """Close the connection."""
        self.listening.close()


class SqliteSchedulerWakeup(SchedulerWakeup):
    """Waits for inotify events of the database's file, where Linux reports them."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.file_watch: Inotify | None = None

    @cached_property
    def path(self) -> str:
        """The database's file."""
        return database_path(connections[self.alias])

    @property
    def check_interval(self) -> float:
        """Seconds until the table is read even if no message arrives."""
        return NOTIFIED_CHECK_INTERVAL if self.file_watch else UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Watch the file, where that works; again each time, as another file may have its name."""
        is_new = self.file_watch is None
        try:
            self.file_watch = self.file_watch or Inotify(IN_ATTRIB)
            self.file_watch.watch([self.path])
        except OSError:  # no Linux, or no more watches for this user
            self.close()
            return
        if is_new:
            # Some file systems report no events: try whether one arrives.
            touch(self.path)
            if not wait_until_readable([self.file_watch], 0):
                self.close()

    def sources(self) -> list[Any]:
        """List the watch, which becomes readable with an event."""
        return [self.file_watch] if self.file_watch else []

    def drain(self) -> None:
        """Discard the events that have arrived."""
        if self.file_watch:
            self.file_watch.discard_events()

    def close(self) -> None:
        """Stop watching the file."""
        if self.file_watch:
            self.file_watch.close()
        self.file_watch = None


def scheduler_wakeup_for(broker: Broker, alias: str) -> SchedulerWakeup:
    """Choose how a scheduler waits for changes: the counterpart of ``wake_schedulers``."""
    if wakeup := broker.scheduler_wakeup():
        return wakeup
    if connections[alias].vendor == "postgresql":
        return PostgresSchedulerWakeup(alias)
    if connections[alias].vendor == "sqlite":
        return SqliteSchedulerWakeup(alias)
    return SchedulerWakeup()
