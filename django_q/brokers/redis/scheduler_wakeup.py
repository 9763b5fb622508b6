"""Notify schedulers by a Redis channel that a schedule was saved."""

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

#: Seconds between two attempts to subscribe.
SUBSCRIBE_RETRY_INTERVAL = 5.0
#: A late notification costs less than a caller that waits: one attempt, of a second at most.
MESSAGE_CLIENT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry": Retry(NoBackoff(), 0),
}


def schedules_channel() -> str:
    """Return the name of the channel, which all clusters of a project share."""
    return f"django_q:{Conf.PREFIX}:schedules"


def publish_schedule_change() -> None:
    """Notify schedulers that a schedule has changed. Never raises."""
    try:
        message_client().publish(schedules_channel(), "")
    except (RedisError, OSError) as error:
        cause = refusal_of(error, schedules_channel()) or f"Redis is away: {error}"
        logger.warning("the scheduler will notice a change later, as %s", cause)


def message_client() -> Any:
    """Return this process's client for notifications."""
    return cached_message_client(os.getpid(), str(Conf.REDIS), Conf.DJANGO_REDIS)


@lru_cache(maxsize=4)
def cached_message_client(*settings_key: Any) -> Any:
    """Make a client once for each process and each value of the settings that it depends on."""
    options = {"url": Conf.REDIS} if isinstance(Conf.REDIS, str) else dict(Conf.REDIS or {})
    return connect_redis({**options, **MESSAGE_CLIENT_OPTIONS}, Conf.DJANGO_REDIS)


class RedisSchedulerWakeup(SchedulerWakeup):
    """Is notified of changes by a subscription, on a connection of its own."""

    def __init__(self) -> None:
        self.subscription: Any = None
        self.next_try = 0.0  # monotonic
        self.logged_refusal: str | None = None

    @property
    def check_interval(self) -> float:
        """Seconds after which the scheduler checks without having been notified."""
        return NOTIFIED_CHECK_INTERVAL if self.subscription else UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Subscribe, unless there is a subscription or an attempt has just failed."""
        if self.subscription or time.monotonic() < self.next_try:
            return
        self.next_try = time.monotonic() + SUBSCRIBE_RETRY_INTERVAL
        subscription = message_client().pubsub(ignore_subscribe_messages=True)
        try:
            subscription.subscribe(schedules_channel())
            subscription.get_message(timeout=1)  # raises when the server refuses
        except (RedisError, OSError) as error:
            self.log_refusal(refusal_of(error, schedules_channel()))
            return
        self.log_refusal(None)
        self.subscription = subscription

    def log_refusal(self, refusal: str | None) -> None:
        """Log once that notifications are refused, and how late changes are noticed instead."""
        if refusal and refusal != self.logged_refusal:
            logger.warning(
                "changes of schedules are noticed within %d s: %s",
                UNNOTIFIED_CHECK_INTERVAL,
                refusal,
            )
        self.logged_refusal = refusal

    def sources(self) -> list[Any]:
        """List the socket of the subscription, if there is one."""
        return [self.subscription.connection._sock] if self.subscription else []

    def drain(self) -> None:
        """Read the notifications that have arrived; close a connection that has failed."""
        try:
            while self.subscription and self.subscription.connection.can_read(0):
                self.subscription.get_message(timeout=0)
        except (RedisError, OSError):
            self.close()

    def close(self) -> None:
        """Close the subscription."""
        if self.subscription:
            with contextlib.suppress(RedisError, OSError):
                self.subscription.close()
        self.subscription = None
