"""How a scheduler hears by Redis that a schedule was saved."""

from __future__ import annotations

import contextlib
import os
import time
from functools import lru_cache
from typing import Any

from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_q.brokers.redis.refusals import refusal_of
from django_q.brokers.scheduler_wakeup import (
    NOTIFIED_CHECK_INTERVAL,
    UNNOTIFIED_CHECK_INTERVAL,
    SchedulerWakeup,
)
from django_q.conf import Conf, logger
from django_q.servers.connections import connect_redis

#: Seconds between two attempts to listen.
SUBSCRIBE_RETRY_INTERVAL = 5.0
#: A late message costs less than a caller who waits: one try, of a second at most.
MESSAGE_CLIENT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry": Retry(NoBackoff(), 0),
}


def schedules_channel() -> str:
    """Name the channel on Redis, which is the same for all clusters of a project."""
    return f"django_q:{Conf.PREFIX}:schedules"


def publish_schedule_change() -> None:
    """Publish the message on Redis. Never raises."""
    try:
        message_client().publish(schedules_channel(), "")
    except (RedisError, OSError) as error:
        cause = refusal_of(error, schedules_channel()) or f"Redis is away: {error}"
        logger.warning("the scheduler will notice a change later, as %s", cause)


def message_client() -> Any:
    """Give this process's client for messages."""
    return cached_message_client(os.getpid(), str(Conf.REDIS), Conf.DJANGO_REDIS)


@lru_cache(maxsize=4)
def cached_message_client(*settings_key: Any) -> Any:
    """Make a client and keep it, for this process and these settings."""
    options = {"url": Conf.REDIS} if isinstance(Conf.REDIS, str) else dict(Conf.REDIS or {})
    return connect_redis({**options, **MESSAGE_CLIENT_OPTIONS}, Conf.DJANGO_REDIS)


class RedisSchedulerWakeup(SchedulerWakeup):
    """Hears of changes by a subscription, on a connection of its own."""

    def __init__(self) -> None:
        self.subscription: Any = None
        self.next_try = 0.0  # monotonic
        self.logged_refusal: str | None = None  # which was logged

    @property
    def check_interval(self) -> float:
        """Seconds after which to look whatever was heard."""
        return NOTIFIED_CHECK_INTERVAL if self.subscription else UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Subscribe, unless that is so or has just failed."""
        if self.subscription or time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + SUBSCRIBE_RETRY_INTERVAL
        subscription = message_client().pubsub(ignore_subscribe_messages=True)
        try:
            subscription.subscribe(schedules_channel())
            subscription.get_message(timeout=1)  # a refusal comes as the answer
        except (RedisError, OSError) as error:
            self.log_refusal(refusal_of(error, schedules_channel()))
            return
        self.log_refusal(None)
        self.subscription = subscription

    def log_refusal(self, refusal: str | None) -> None:
        """Log that changes are not heard of, once, where that is refused."""
        if refusal and refusal != self.logged_refusal:
            logger.warning(
                "changes of schedules are noticed within %d s: %s",
                UNNOTIFIED_CHECK_INTERVAL,
                refusal,
            )
        self.logged_refusal = refusal

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
