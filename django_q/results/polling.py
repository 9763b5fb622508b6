"""Wait for a result by polling: the only such loop in this project."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds between two checks: the first time, and at most.
MIN_RESULT_POLL_SECONDS, MAX_RESULT_POLL_SECONDS = 0.002, 0.05
#: How many times longer each pause is than the one before.
RESULT_POLL_GROWTH_FACTOR = 1.5


def wait_for(find: Callable[[], Found | None], wait: float = 0) -> Found | None:
    """Call a function until it finds something, and return that; None when the time is over.

    ``wait`` is in milliseconds: 0 calls it once, -1 waits for ever. Uses no connection itself.
    """
    deadline = time.monotonic() + wait / 1000
    pause = MIN_RESULT_POLL_SECONDS
    while (found := find()) is None:
        left = deadline - time.monotonic() if wait >= 0 else pause
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * RESULT_POLL_GROWTH_FACTOR, MAX_RESULT_POLL_SECONDS)
    return found
