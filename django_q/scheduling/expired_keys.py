"""Clear what outlives its task and has expired: keys, where no server does it, and kept rows."""

from __future__ import annotations

import time
from collections.abc import Callable

from django_q.brokers.base import Broker

#: Seconds between two looks for expired keys.
KEY_CLEANUP_INTERVAL = 60
#: Keys that are cleared at once; where there are more, the next ones follow at once.
KEY_CLEANUP_SIZE = 1000


class KeyCleanup:
    """Clears expired keys of a broker, once a minute at most.

    ``clear_rows`` does so for rows of results: it takes how many at most, and returns how many.
    """

    def __init__(self, broker: Broker, clear_rows: Callable[[int], int] | None = None) -> None:
        self.broker, self.clear_rows = broker, clear_rows
        self.next_time = 0.0  # monotonic

    def run_if_due(self) -> float:
        """Clear keys where it is time. Returns the seconds until the next time."""
        if time.monotonic() >= self.next_time:
            count = self.broker.clear_expired_keys(KEY_CLEANUP_SIZE)
            if self.clear_rows:
                count = max(count, self.clear_rows(KEY_CLEANUP_SIZE))
            pause = 0 if count >= KEY_CLEANUP_SIZE else KEY_CLEANUP_INTERVAL
            self.next_time = time.monotonic() + pause
        return max(self.next_time - time.monotonic(), 0)
