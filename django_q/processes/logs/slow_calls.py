"""Log that a pusher waits for its broker's server, when that takes long to answer.

A thread logs this: a driver may wait in C, as for a lock of another transaction.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from django_q.brokers.base import WAKEABLE_WAIT_SECONDS, Broker
from django_q.conf import Conf, logger

#: Seconds that an answer may take before that is logged, and between two checks.
SLOW_ANSWER_SECONDS, SLOW_ANSWER_CHECK_INTERVAL = 3.0, 1.5


class SlowDequeueWatch:
    """Measures how long a broker takes to answer ``dequeue``, and logs when it takes long."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.due = math.inf  # monotonic; when the answer should have come
        # When the answer was due, and how many seconds late it was at the warning.
        self.last_warning = (math.inf, 0.0)

    def dequeue(self, limit: int, wait: float | None) -> list[Any]:
        """Take deliveries from the broker, and note when its answer is due."""
        max_wait = min(WAKEABLE_WAIT_SECONDS, Conf.RETRY) if wait is None else wait
        # Only of these brokers is known how long they wait at most.
        self.due = time.monotonic() + max_wait if self.broker.has_uncounted_release else math.inf
        try:
            return self.broker.dequeue(limit, wait)
        finally:
            self.due = math.inf

    def watch(self) -> None:
        """Check again and again whether an answer is late; the body of a thread."""
        while True:
            time.sleep(SLOW_ANSWER_CHECK_INTERVAL)
            self.warn_if_slow(time.monotonic())

    def warn_if_slow(self, now: float) -> None:
        """Log how long the pusher has waited for an answer; again whenever that has doubled."""
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
    """Start a thread that logs when a broker takes long to answer."""
    slow_watch = SlowDequeueWatch(broker)
    threading.Thread(target=slow_watch.watch, name="slow-dequeue-watch", daemon=True).start()
    return slow_watch
