"""When a queue takes nothing: pauses that grow, and one log line."""

from __future__ import annotations

import time
from functools import lru_cache

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.servers.advice import with_advice
from django_q.text.error_text import error_summary

#: Seconds for which no push is tried after one has failed: at first, and at most.
PUSH_BACKOFF_SECONDS = (1.0, 30.0)


class QueueOutage:
    """Whether a queue has taken nothing lately, as the pushes of this process have found."""

    def __init__(self) -> None:
        self.until = 0.0  # monotonic; before it no push is tried
        self.pause = 0.0  # seconds; 0 where the last push went well

    def is_paused(self) -> bool:
        """Return True while no push is to be tried."""
        return bool(self.pause) and time.monotonic() < self.until

    def begin(self, error: BaseException, broker: Broker) -> None:
        """Note that a push has failed; log it if the one before went well."""
        first, most = PUSH_BACKOFF_SECONDS
        is_new, self.pause = not self.pause, min(self.pause * 2 or first, most)
        self.until = time.monotonic() + self.pause
        if is_new:
            reason = broker.refusal(error) or with_advice(error_summary(error), error)
            text = "tasks wait in the outbox, as the queue %s takes none: %s"
            logger.error(text, broker.list_key, reason)

    def end(self, broker: Broker) -> None:
        """Note that a push went well; log it if the one before had failed."""
        if self.pause:
            self.pause = 0.0
            logger.info("the queue %s takes tasks of the outbox again", broker.list_key)


@lru_cache(maxsize=256)
def outage_of(list_key: str) -> QueueOutage:
    """Return the outage of a queue, which a process keeps once."""
    return QueueOutage()
