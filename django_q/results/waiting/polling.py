"""Look for a result until it is there: the only such loop in this project."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds between two looks: the first time, and at most.
MIN_RESULT_POLL_SECONDS, MAX_RESULT_POLL_SECONDS = 0.002, 0.05
#: How many times longer each pause is than the one before.
RESULT_POLL_GROWTH_FACTOR = 1.5


class Pace:
    """The pauses of a caller between two looks: short at first, then longer and longer."""

    def __init__(self) -> None:
        self.pause_seconds = MIN_RESULT_POLL_SECONDS
        self.told_at = -math.inf  # monotonic

    @property
    def has_waited(self) -> bool:
        """Whether the pauses have grown to what they are where nobody tells."""
        return self.pause_seconds >= MAX_RESULT_POLL_SECONDS

    def next_pause(self, longest: float = MAX_RESULT_POLL_SECONDS) -> float:
        """Return how long the next pause is, in seconds; the one after it is longer."""
        pause = min(self.pause_seconds, longest)
        self.pause_seconds = min(self.pause_seconds * RESULT_POLL_GROWTH_FACTOR, longest)
        return pause

    def note_told(self, now: float) -> bool:
        """Begin with short pauses again, as the result may be there or come soon.

        Returns False where that was so a moment ago: the pauses that follow are short enough.
        """
        if now - self.told_at <= MAX_RESULT_POLL_SECONDS:
            return False
        self.told_at = now
        self.pause_seconds = MIN_RESULT_POLL_SECONDS
        return True

    def wait(self, left: float) -> None:
        """Wait until the next look; ``left`` is in seconds, and how long the caller still waits."""
        time.sleep(min(self.next_pause(), left))

    def note_found(self) -> None:
        """Note that the caller has found what it waited for."""


def wait_for(
    find: Callable[[], Found | None], wait: float = 0, pace: Pace | None = None
) -> Found | None:
    """Call a function until it finds something, and return that; None when the time is over.

    ``wait`` is in milliseconds: 0 calls it once, -1 waits for ever. Uses no connection itself.
    """
    deadline = time.monotonic() + wait / 1000 if wait >= 0 else math.inf
    pace = pace or Pace()
    while (found := find()) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        pace.wait(left)
    pace.note_found()
    return found
