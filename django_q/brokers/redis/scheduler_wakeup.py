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
from django_q.brokers.scheduler_wakeup import OFTEN, SELDOM, Waker
from django_q.conf import Conf, logger
from django_q.servers.connections import connect_redis

#: Seconds between two attempts to listen.
AGAIN = 5.0
#: A late message costs less than a caller who waits: one try, of a second at most.
IMPATIENT = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry": Retry(NoBackoff(), 0),
}


def redis_channel() -> str:
    """Name the channel on Redis, which is the same for all clusters of a project."""
    return f"django_q:{Conf.PREFIX}:schedules"


def publish() -> None:
    """Publish the message on Redis. Never raises."""
    try:
        impatient_client().publish(redis_channel(), "")
    except (RedisError, OSError) as error:
        cause = refusal_of(error, redis_channel()) or f"Redis is away: {error}"
        logger.warning("the scheduler will notice a change later, as %s", cause)


def impatient_client() -> Any:
    """Give this process's client for messages."""
    return kept_client(os.getpid(), str(Conf.REDIS), Conf.DJANGO_REDIS)


@lru_cache(maxsize=4)
def kept_client(*place: Any) -> Any:
    """Make a client and keep it, for this process and these settings."""
    options = {"url": Conf.REDIS} if isinstance(Conf.REDIS, str) else dict(Conf.REDIS or {})
    return connect_redis({**options, **IMPATIENT}, Conf.DJANGO_REDIS)


class RedisWaker(Waker):
    """Hears of changes by a subscription, on a connection of its own."""

    def __init__(self) -> None:
        self.subscription: Any = None
        self.next_try = 0.0  # monotonic
        self.refusal: str | None = None  # which was logged

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
        try:
            subscription.subscribe(redis_channel())
            subscription.get_message(timeout=1)  # a refusal comes as the answer
        except (RedisError, OSError) as error:
            self.note(refusal_of(error, redis_channel()))
            return
        self.note(None)
        self.subscription = subscription

    def note(self, refusal: str | None) -> None:
        """Log that changes are not heard of, once, where that is refused."""
        if refusal and refusal != self.refusal:
            logger.warning("changes of schedules are noticed within %d s: %s", OFTEN, refusal)
        self.refusal = refusal

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
