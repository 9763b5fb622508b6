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
INTERVAL, LIMIT = 0.03, 0.25
SHORTEST, LONGEST = (0.05, 1.5), (1.0, 20.0)


def interval() -> float:
    """Seconds between two beats."""
    return min(max(SHORTEST[0], INTERVAL * Conf.RETRY), LONGEST[0])


def limit() -> float:
    """Seconds without a beat after which a process has stood still for too long.

    Not much more than a quarter of a lease: whoever takes its place extends those that go on.
    """
    return min(max(SHORTEST[1], LIMIT * Conf.RETRY), LONGEST[1])


class Pulse:
    """When a process has last shown that it lives; written by that process alone."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = memory or RawArray("d", 1)

    def __reduce__(self) -> tuple:
        return Pulse, (self.memory,)

    @property
    def latest(self) -> float:
        """When that was, monotonic; 0 for never."""
        return self.memory[0]

    def beat(self) -> None:
        """Show a sign of life."""
        self.memory[0] = time.monotonic()

    def stop(self) -> None:
        """Forget a process that has ended."""
        self.memory[0] = 0.0

    def keep(self) -> None:
        """Beat on, in a thread of its own."""
        self.beat()
        threading.Thread(target=self._go_on, name="pulse", daemon=True).start()

    def _go_on(self) -> None:
        seconds = interval()
        while True:
            time.sleep(seconds)
            self.beat()


class Silence:
    """For how long a pulse has not been heard, by who looks for it.

    Only time counts in which this process could look: a machine that sleeps, or a whole cluster
    that is stopped, is silent without anything being wrong.
    """

    def __init__(self, pulse: Pulse) -> None:
        self.pulse = pulse
        self.heard = 0.0  # the beat that was heard last
        self.looked = 0.0  # monotonic; when this was asked last
        self.seconds = 0.0

    def look(self, now: float, step: float) -> float:
        """Tell the seconds of silence, of which the time since the last look counts as ``step``."""
        latest = self.pulse.latest
        if latest != self.heard or not latest:
            self.heard, self.seconds = latest, 0.0
        else:
            self.seconds += min(now - self.looked, step)
        self.looked = now
        return self.seconds
