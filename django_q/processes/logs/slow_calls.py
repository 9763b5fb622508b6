"""Say what a pusher waits for when its broker's server takes long to answer.

It is a thread that says so: a driver may wait in C, as for a lock of another transaction.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from django_q.brokers.base import WAIT_WITH_WAKE_FD, Broker
from django_q.conf import Conf, logger

#: Seconds that an answer may take before anybody hears of it, and between two looks.
LONG, GLANCE = 3.0, 1.5


class Delay:
    """How long a broker takes to answer."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.due = math.inf  # monotonic; when an answer must be there
        self.told = (math.inf, 0.0)  # of what, by when it was due, and how late that had been

    def dequeue(self, limit: int, wait: float | None) -> list[Any]:
        """Take deliveries as the broker does."""
        most = min(WAIT_WITH_WAKE_FD, Conf.RETRY) if wait is None else wait
        # Others wait for as long as they like.
        self.due = time.monotonic() + most if self.broker.takes_back else math.inf
        try:
            return self.broker.dequeue(limit, wait)
        finally:
            self.due = math.inf

    def watch(self) -> None:
        """Look again and again; the body of a thread."""
        while True:
            time.sleep(GLANCE)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Say how long an answer has been waited for, half as often each time."""
        due = min(self.due, self.broker.asking_since)
        seconds = now - due
        told = self.told[1] if self.told[0] == due else 0.0
        if seconds > max(LONG, 2 * told):
            self.told = due, seconds
            logger.warning(
                "the pusher has waited for %.0f seconds for an answer of %s",
                seconds,
                self.broker.place(),
            )


def watched(broker: Broker) -> Delay:
    """Have a thread watch how long a broker takes to answer."""
    delay = Delay(broker)
    threading.Thread(target=delay.watch, name="delay", daemon=True).start()
    return delay
