"""Clear keys that outlive their tasks, where the broker's server does not do so by itself."""

from __future__ import annotations

import time

from django_q.brokers.base import Broker

#: Seconds between two looks for expired keys.
KEY_CLEANUP_INTERVAL = 60
#: Keys that are cleared at once; where there are more, the next ones follow at once.
KEY_CLEANUP_SIZE = 1000


class KeyCleanup:
    """Clears expired keys of a broker, once a minute at most."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.next_time = 0.0  # monotonic

    def run_if_due(self) -> float:
        """Clear keys where it is time. Returns the seconds until the next time."""
        if time.monotonic() >= self.next_time:
            count = self.broker.clear_expired_keys(KEY_CLEANUP_SIZE)
            pause = 0 if count >= KEY_CLEANUP_SIZE else KEY_CLEANUP_INTERVAL
            self.next_time = time.monotonic() + pause
        return max(self.next_time - time.monotonic(), 0)
