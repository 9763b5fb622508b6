"""Notify schedulers by a Redis channel that a schedule was saved."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from redis import RedisError

from django_q.brokers.redis.connections.client import message_client
from django_q.brokers.redis.refusals import refusal_of
from django_q.brokers.scheduler_wakeup import (
    NOTIFIED_CHECK_INTERVAL,
    UNNOTIFIED_CHECK_INTERVAL,
    SchedulerWakeup,
)
from django_q.conf import Conf, logger

#: Seconds between two attempts to subscribe.
SUBSCRIBE_RETRY_INTERVAL = 5.0


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
