"""Liveness timestamps: find processes that stand still, among those that only wait.

A process that is stopped, or stuck in C code, does not work and does not end. A thread of each
process writes a timestamp into shared memory and does nothing else. So the timestamps of a process
that waits for a server go on.
"""

from __future__ import annotations

import threading
import time
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.conf import Conf

#: Shares of a lease: between two beats, and without a beat until a process has stalled.
LIVENESS_INTERVAL_SHARE, STALL_LIMIT_SHARE = 0.03, 0.25
#: Bounds of both, in seconds.
MIN_LIVENESS_SECONDS, MAX_LIVENESS_SECONDS = (0.05, 1.5), (1.0, 20.0)


def liveness_interval() -> float:
    """Return the seconds between two beats of a process."""
    return min(
        max(MIN_LIVENESS_SECONDS[0], LIVENESS_INTERVAL_SHARE * Conf.RETRY), MAX_LIVENESS_SECONDS[0]
    )


def stall_limit() -> float:
    """Return the seconds without a beat after which a process counts as stalled.

    About a quarter of a lease at most: its successor must extend the leases before they end.
    """
    return min(
        max(MIN_LIVENESS_SECONDS[1], STALL_LIMIT_SHARE * Conf.RETRY), MAX_LIVENESS_SECONDS[1]
    )


class LivenessTimestamp:
    """When a process last showed that it is alive; only that process writes it."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = memory or RawArray("d", 1)

    def __reduce__(self) -> tuple:
        return LivenessTimestamp, (self.memory,)

    @property
    def latest(self) -> float:
        """The time of the last beat, monotonic; 0 for none."""
        return self.memory[0]

    def beat(self) -> None:
        """Write the current time."""
        self.memory[0] = time.monotonic()

    def clear(self) -> None:
        """Clear the timestamp of a process that has ended."""
        self.memory[0] = 0.0

    def beat_in_thread(self) -> None:
        """Start a thread that writes the timestamp again and again."""
        self.beat()
        threading.Thread(target=self._beat_forever, name="liveness", daemon=True).start()

    def _beat_forever(self) -> None:
        seconds = liveness_interval()
        while True:
            time.sleep(seconds)
            self.beat()


class StallTimer:
    """Measures for how long a timestamp has not changed.

    Only time in which this process could check counts: on a machine that sleeps, or in a cluster
    that is stopped as a whole, no timestamp changes although nothing is wrong.
    """

    def __init__(self, liveness: LivenessTimestamp) -> None:
        self.liveness = liveness
        self.last_beat = 0.0  # the timestamp at the last check
        self.checked_at = 0.0  # monotonic; when the last check was
        self.seconds = 0.0  # without a beat, so far

    def measure(self, now: float, step: float) -> float:
        """Return the seconds without a beat; each check adds ``step`` at most."""
        latest = self.liveness.latest
        if latest != self.last_beat or not latest:
            self.last_beat, self.seconds = latest, 0.0
        else:
            self.seconds += min(now - self.checked_at, step)
        self.checked_at = now
        return self.seconds
