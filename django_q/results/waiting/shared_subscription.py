"""A subscription that callers share while they wait: opened, read, and closed with the last."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from weakref import WeakSet

from django_q.brokers.contract.result_channel import ANY_MARK, ChannelFailed, Subscription
from django_q.conf import logger
from django_q.results.waiting.channels import configured_channel
from django_q.results.waiting.polling import MAX_RESULT_POLL_SECONDS

#: Seconds between two looks of who is told: a lost message delays a result by no more.
TOLD_LOOK_INTERVAL = 1.0
#: Seconds from the subscription until each monitor knows of it: see ``telling.ASK_INTERVAL``.
TELLING_STARTS_AFTER = 1.2
#: Seconds between two attempts to subscribe.
SUBSCRIPTION_RETRY_INTERVAL = 5.0
#: Seconds for which a process polls after it has found a result of which it was not told, as by a
#: cluster of an earlier release, or by one that may not tell.
DISTRUST_SECONDS = 60.0


class Told:
    """What this process knows of being told."""

    has_failed = False  #: whether the log says that it polls, and why
    #: When a result was found first of which it was not told, nor of another one since; monotonic.
    untold_at: float | None = None
    distrusted_until = 0.0  #: monotonic
    subscriptions: WeakSet[Subscription] = WeakSet()  #: all that are open


def leave_to_parent() -> None:
    """Detach the subscriptions of the parent, in a process that was forked.

    Each descriptor becomes one of nothing: to read it would take from the parent what it is told,
    and to close the connection in good order would end that of the parent.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for subscription in list(Told.subscriptions):
        with suppress(Exception):  # one that was being opened or closed
            os.dup2(nothing, subscription.fileno(), inheritable=False)
    os.close(nothing)
    Told.subscriptions = WeakSet()


os.register_at_fork(after_in_child=leave_to_parent)


class SharedSubscription:
    """A subscription, or none: then those who wait poll."""

    subscription: Subscription | None = None

    def __init__(self) -> None:
        self.opened_at = 0.0  # monotonic
        self.next_try = 0.0  # monotonic
        self.is_closed = False

    @property
    def look_interval(self) -> float:
        """Seconds between two looks at most."""
        now = time.monotonic()
        is_told = self.subscription and now - self.opened_at >= TELLING_STARTS_AFTER
        if is_told and now >= Told.distrusted_until:
            return TOLD_LOOK_INTERVAL
        return MAX_RESULT_POLL_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether to open a subscription: there is none, and no attempt has just failed."""
        return self.subscription is None and time.monotonic() >= self.next_try

    def open(self) -> None:
        """Subscribe, if there is a way. May take seconds; another thread may close meanwhile."""
        self.next_try = time.monotonic() + SUBSCRIPTION_RETRY_INTERVAL
        try:
            channel = configured_channel()
            subscription = channel.subscribe() if channel else None
        except ChannelFailed as error:
            self.log_failure(error)
            return
        if subscription is None:
            return
        Told.has_failed, self.next_try = False, 0.0
        Told.subscriptions.add(subscription)
        self.opened_at = time.monotonic()
        self.subscription = subscription
        if self.is_closed:
            self.drop()

    def read(self) -> set[str]:
        """Read the marks that were told. Where the connection is lost it ends, and all look."""
        try:
            marks = self.subscription.read() if self.subscription else set()
            Told.untold_at = None if marks else Told.untold_at
            return marks
        except ChannelFailed as error:
            self.log_failure(error)
            self.drop()
            return {ANY_MARK}

    def log_failure(self, error: ChannelFailed) -> None:
        """Log once that results are polled for, until a subscription succeeds."""
        if not Told.has_failed:
            logger.warning("results that are waited for are polled: %s", error)
        Told.has_failed = True

    def close(self) -> None:
        """End the subscription, also one that another thread is opening."""
        self.is_closed = True
        self.drop()

    def drop(self) -> None:
        """End the subscription. There may be another one later."""
        if subscription := vars(self).pop("subscription", None):  # in one step
            Told.subscriptions.discard(subscription)
            subscription.close()

    def note_found(self, pause_seconds: float) -> None:
        """Note that a result was found, and how long the caller's pauses were by then.

        Who is told begins with short ones again: after a long one it was not told. That happens
        when the look was a moment before the message, so the second time counts.
        """
        now = time.monotonic()
        if pause_seconds < TOLD_LOOK_INTERVAL / 2 or self.look_interval < TOLD_LOOK_INTERVAL:
            return
        if Told.untold_at is None:
            Told.untold_at = now
        elif now - Told.untold_at > TOLD_LOOK_INTERVAL:
            Told.untold_at, Told.distrusted_until = None, now + DISTRUST_SECONDS
