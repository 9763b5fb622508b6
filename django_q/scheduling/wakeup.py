"""How a scheduler hears at once that a schedule was saved.

By the server of the broker, which is Redis; by the database, where that is PostgreSQL; by the file
where it is SQLite.

Whoever saves one publishes a message without content, and each scheduler then looks at the table.
A message that is lost delays a change until the next look, and loses nothing.

On SQLite the message is that somebody sets the times of the database's file: Linux tells of that,
and who does no more than write to the database does not do it.
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
from django_q.brokers.orm.inotify import IN_ATTRIB, Inotify
from django_q.brokers.orm.queue_wait import Listening
from django_q.brokers.orm.sqlite import file_of
from django_q.brokers.scheduler_wakeup import OFTEN, SELDOM, Waker
from django_q.conf import Conf
from django_q.descriptor_wait import readable
from django_q.models import Schedule

#: The channel on PostgreSQL.
CHANNEL = "django_q_schedules"


@receiver(post_save, sender=Schedule, dispatch_uid="django_q.scheduling.wakeup")
def wake_schedulers(using: str, **kwargs: Any) -> None:
    """Tell the schedulers of all clusters, once the transaction has committed."""
    if Conf.SYNC:
        return
    if tell := broker_tells():
        transaction.on_commit(tell, using=using)
    elif connections[using].vendor == "postgresql":
        Channel(using).notify()
    elif connections[using].vendor == "sqlite":
        transaction.on_commit(partial(touch, file_of(connections[using])), using=using)


def broker_tells() -> Callable[[], Any] | None:
    """Find what tells schedulers by the server of the broker, as far as the settings tell."""
    try:
        return getattr(broker_class(), "tell_schedulers", None)
    except (ImproperlyConfigured, ImportError):
        return None


def touch(path: str) -> None:
    """Set the times of a file to now, as far as that may be."""
    with contextlib.suppress(OSError):
        os.utime(path)


class Channel:
    """The channel on PostgreSQL, with what a listener asks of it."""

    channel = CHANNEL

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def connection(self) -> Any:
        """The connection of this thread."""
        return connections[self.alias]

    def tells_of_changes(self) -> bool:
        """Whether who listens is told."""
        return True

    def notify(self) -> None:
        """Send the message when the transaction commits; at once where none is open."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT PG_NOTIFY(%s, '')", [self.channel])


class PostgresWaker(Waker):
    """Hears of changes by notifications, on a connection of its own."""

    def __init__(self, alias: str) -> None:
        self.listening = Listening(Channel(alias))

    @property
    def patience(self) -> float:
        """Seconds after which to look whatever was heard."""
        return SELDOM if self.listening.listener else OFTEN

    def listen(self) -> None:
        """Listen, where the driver and what is between here and the server let it."""
        self.listening.mark()

    def sources(self) -> list[Any]:
        """List the descriptor of the connection."""
        return [self.listening.listener.fileno()] if self.listening.listener else []

    def drain(self) -> None:
        """Read the messages that have arrived; a connection that has failed is made anew."""
        self.listening.consume()

    def close(self) -> None:
        """Drop the connection."""
        self.listening.close()


class SqliteWaker(Waker):
    """Hears of changes by the kernel, where it tells of the database's file."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.touched: Inotify | None = None

    @cached_property
    def path(self) -> str:
        """The database's file."""
        return file_of(connections[self.alias])

    @property
    def patience(self) -> float:
        """Seconds after which to look whatever was heard."""
        return SELDOM if self.touched else OFTEN

    def listen(self) -> None:
        """Watch the file, where the kernel tells of it; again, as another may have its name."""
        is_new = self.touched is None
        try:
            self.touched = self.touched or Inotify(IN_ATTRIB)
            self.touched.watch([self.path])
        except OSError:  # no Linux, or no more watches for this user
            self.close()
            return
        if is_new:
            touch(self.path)
            if not readable([self.touched], 0):
                self.close()

    def sources(self) -> list[Any]:
        """List the descriptor of the kernel."""
        return [self.touched] if self.touched else []

    def drain(self) -> None:
        """Take note of what was heard."""
        if self.touched:
            self.touched.forget()

    def close(self) -> None:
        """Watch no longer."""
        if self.touched:
            self.touched.close()
        self.touched = None


def waker_for(broker: Broker, alias: str) -> Waker:
    """Choose how a scheduler hears of changes: as ``wake_schedulers`` tells of them."""
    if waker := broker.waker():
        return waker
    if connections[alias].vendor == "postgresql":
        return PostgresWaker(alias)
    if connections[alias].vendor == "sqlite":
        return SqliteWaker(alias)
    return Waker()
