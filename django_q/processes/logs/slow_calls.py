"""Say what a pusher waits for when its broker's server takes long to answer.

It is a thread that says so: a driver may wait in C, as for a lock of another transaction.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from django_q.brokers.base import WAKEABLE_WAIT_SECONDS, Broker
from django_q.conf import Conf, logger

#: Seconds that an answer may take before anybody hears of it, and between two looks.
SLOW_ANSWER_SECONDS, SLOW_ANSWER_CHECK_INTERVAL = 3.0, 1.5


class SlowDequeueWatch:
    """How long a broker takes to answer."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.due = math.inf  # monotonic; when an answer must be there
        self.last_warning = (
            math.inf,
            0.0,
        )  # of what, by when it was due, and how late that had been

    def dequeue(self, limit: int, wait: float | None) -> list[Any]:
        """Take deliveries as the broker does."""
        max_wait = min(WAKEABLE_WAIT_SECONDS, Conf.RETRY) if wait is None else wait
        # Others wait for as long as they like.
        self.due = time.monotonic() + max_wait if self.broker.has_uncounted_release else math.inf
        try:
            return self.broker.dequeue(limit, wait)
        finally:
            self.due = math.inf

    def watch(self) -> None:
        """Look again and again; the body of a thread."""
        while True:
            time.sleep(SLOW_ANSWER_CHECK_INTERVAL)
            self.warn_if_slow(time.monotonic())

    def warn_if_slow(self, now: float) -> None:
        """Say how long an answer has been waited for, half as often each time."""
        due = min(self.due, self.broker.query_started_at)
        seconds = now - due
        last_seconds = self.last_warning[1] if self.last_warning[0] == due else 0.0
        if seconds > max(SLOW_ANSWER_SECONDS, 2 * last_seconds):
            self.last_warning = due, seconds
            logger.warning(
                "the pusher has waited for %.0f seconds for an answer of %s",
                seconds,
                self.broker.location(),
            )


def watch_slow_dequeues(broker: Broker) -> SlowDequeueWatch:
    """Have a thread watch how long a broker takes to answer."""
    slow_watch = SlowDequeueWatch(broker)
    threading.Thread(target=slow_watch.watch, name="delay", daemon=True).start()
    return slow_watch
