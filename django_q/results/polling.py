"""The one loop in which this project waits for a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Pauses between two looks, in seconds: the first, and the longest.
MIN_RESULT_POLL_SECONDS, MAX_RESULT_POLL_SECONDS = 0.002, 0.05
#: Each pause is that many times the one before.
RESULT_POLL_GROWTH_FACTOR = 1.5


def wait_for(look: Callable[[], Found | None], wait: float = 0) -> Found | None:
    """Look until there is something, and return it; None when it did not come in time.

    ``wait`` is in milliseconds: 0 looks once, -1 waits for ever. Touches no connection itself.
    """
    deadline = time.monotonic() + wait / 1000
    pause = MIN_RESULT_POLL_SECONDS
    while (found := look()) is None:
        left = deadline - time.monotonic() if wait >= 0 else pause
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * RESULT_POLL_GROWTH_FACTOR, MAX_RESULT_POLL_SECONDS)
    return found
