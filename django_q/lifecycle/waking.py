"""How a scheduler hears at once that a schedule was saved: by Redis, PostgreSQL, or SQLite's file.

Whoever saves one publishes a message without content, and each scheduler then looks at the table.
A message that is lost delays a change until the next look, and loses nothing.

On SQLite the message is that somebody sets the times of the database's file: Linux tells of that,
and who does no more than write to the database does not do it.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import cached_property, lru_cache, partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_q.brokers import broker_class
from django_q.brokers.base import Broker
from django_q.brokers.inotify import IN_ATTRIB, Inotify
from django_q.brokers.redis_broker import Redis
from django_q.brokers.sqlite_table import file_of
from django_q.brokers.watches import Listening
from django_q.conf import Conf, logger
from django_q.connections import connect_redis
from django_q.models import Schedule
from django_q.waiting import readable

#: Seconds between two looks of a scheduler that hears of changes, and of one that does not.
SELDOM, OFTEN = 60.0, 5.0
#: Seconds between two attempts to listen.
AGAIN = 5.0
#: A late message costs less than a caller who waits: one try, of a second at most.
IMPATIENT = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry": Retry(NoBackoff(), 0),
}
#: The channel on PostgreSQL.
CHANNEL = "django_q_schedules"


def redis_channel() -> str:
    """Name the channel on Redis, which is the same for all clusters of a project."""
    return f"django_q:{Conf.PREFIX}:schedules"


@receiver(post_save, sender=Schedule, dispatch_uid="django_q.lifecycle.waking")
def wake_schedulers(using: str, **kwargs: Any) -> None:
    """Tell the schedulers of all clusters, once the transaction has committed."""
    if Conf.SYNC:
        return
    if uses_redis():
        transaction.on_commit(publish, using=using)
    elif connections[using].vendor == "postgresql":
        Channel(using).notify()
    elif connections[using].vendor == "sqlite":
        transaction.on_commit(partial(touch, file_of(connections[using])), using=using)


def uses_redis() -> bool:
    """Whether clusters of this project have a Redis broker, as far as the settings tell."""
    try:
        chosen = broker_class()
    except (ImproperlyConfigured, ImportError):
        return False
    return isinstance(chosen, type) and issubclass(chosen, Redis)


def publish() -> None:
    """Publish the message on Redis. Never raises."""
    try:
        impatient_client().publish(redis_channel(), "")
    except (RedisError, OSError) as error:
        logger.warning("the scheduler will notice a change later, as Redis is away: %s", error)


def impatient_client() -> Any:
    """Give this process's client for messages."""
    return kept_client(os.getpid(), str(Conf.REDIS), Conf.DJANGO_REDIS)


@lru_cache(maxsize=4)
def kept_client(*place: Any) -> Any:
    """Make a client and keep it, for this process and these settings."""
    options = {"url": Conf.REDIS} if isinstance(Conf.REDIS, str) else dict(Conf.REDIS or {})
    return connect_redis({**options, **IMPATIENT}, Conf.DJANGO_REDIS)


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


class Waker:
    """Wakes a scheduler when schedules have changed; this one knows of no way."""

    #: Seconds after which to look whatever was heard.
    patience = OFTEN

    def listen(self) -> None:
        """Get ready before a look, so that what changes behind it is heard."""

    def sources(self) -> list[Any]:
        """List what becomes readable with a message."""
        return []

    def drain(self) -> None:
        """Read the messages that have arrived."""

    def close(self) -> None:
        """Let go of connections."""


class RedisWaker(Waker):
    """Hears of changes by a subscription, on a connection of its own."""

    def __init__(self) -> None:
        self.subscription: Any = None
        self.next_try = 0.0  # monotonic

    @property
    def patience(self) -> float:
        """Seconds after which to look whatever was heard."""
        return SELDOM if self.subscription else OFTEN

    def listen(self) -> None:
        """Subscribe, unless that is so or has just failed."""
        if self.subscription or time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + AGAIN
        subscription = impatient_client().pubsub(ignore_subscribe_messages=True)
        with contextlib.suppress(RedisError, OSError):
            subscription.subscribe(redis_channel())
            self.subscription = subscription

    def sources(self) -> list[Any]:
        """List the socket of the subscription."""
        return [self.subscription.connection._sock] if self.subscription else []

    def drain(self) -> None:
        """Read the messages that have arrived; a connection that has failed is made anew."""
        try:
            while self.subscription and self.subscription.connection.can_read(0):
                self.subscription.get_message(timeout=0)
        except (RedisError, OSError):
            self.close()

    def close(self) -> None:
        """Drop the connection."""
        if self.subscription:
            with contextlib.suppress(RedisError, OSError):
                self.subscription.close()
        self.subscription = None


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
    if isinstance(broker, Redis):
        return RedisWaker()
    if connections[alias].vendor == "postgresql":
        return PostgresWaker(alias)
    if connections[alias].vendor == "sqlite":
        return SqliteWaker(alias)
    return Waker()
