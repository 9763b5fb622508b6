"""Signs of life: how a process that stands still is told from one that waits.

A process that is stopped, or that is stuck in C code, ends no more than it works. Its pulse, in
shared memory, is written by a thread that does nothing else, so it goes on while a server hangs.
"""

from __future__ import annotations

import threading
import time
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.conf import Conf

#: Share of a lease between two beats, and in which one has to come; and their bounds in seconds.
LIVENESS_INTERVAL_SHARE, STALL_LIMIT_SHARE = 0.03, 0.25
MIN_LIVENESS_SECONDS, MAX_LIVENESS_SECONDS = (0.05, 1.5), (1.0, 20.0)


def liveness_interval() -> float:
    """Seconds between two beats."""
    return min(
        max(MIN_LIVENESS_SECONDS[0], LIVENESS_INTERVAL_SHARE * Conf.RETRY), MAX_LIVENESS_SECONDS[0]
    )


def stall_limit() -> float:
    """Seconds without a beat after which a process has stood still for too long.

    Not much more than a quarter of a lease: whoever takes its place extends those that go on.
    """
    return min(
        max(MIN_LIVENESS_SECONDS[1], STALL_LIMIT_SHARE * Conf.RETRY), MAX_LIVENESS_SECONDS[1]
    )


class LivenessTimestamp:
    """When a process has last shown that it lives; written by that process alone."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = memory or RawArray("d", 1)

    def __reduce__(self) -> tuple:
        return LivenessTimestamp, (self.memory,)

    @property
    def latest(self) -> float:
        """When that was, monotonic; 0 for never."""
        return self.memory[0]

    def beat(self) -> None:
        """Show a sign of life."""
        self.memory[0] = time.monotonic()

    def clear(self) -> None:
        """Forget a process that has ended."""
        self.memory[0] = 0.0

    def beat_in_thread(self) -> None:
        """Beat on, in a thread of its own."""
        self.beat()
        threading.Thread(target=self._beat_forever, name="pulse", daemon=True).start()

    def _beat_forever(self) -> None:
        seconds = liveness_interval()
        while True:
            time.sleep(seconds)
            self.beat()


class StallTimer:
    """For how long a pulse has not been heard, by who looks for it.

    Only time counts in which this process could look: a machine that sleeps, or a whole cluster
    that is stopped, is silent without anything being wrong.
    """

    def __init__(self, liveness: LivenessTimestamp) -> None:
        self.liveness = liveness
        self.last_beat = 0.0  # the beat that was heard last
        self.checked_at = 0.0  # monotonic; when this was asked last
        self.seconds = 0.0

    def measure(self, now: float, step: float) -> float:
        """Tell the seconds of silence, of which the time since the last look counts as ``step``."""
        latest = self.liveness.latest
        if latest != self.last_beat or not latest:
            self.last_beat, self.seconds = latest, 0.0
        else:
            self.seconds += min(now - self.checked_at, step)
        self.checked_at = now
        return self.seconds
