"""How many deliveries a cluster may take now: by the measured speed of its workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from django_q.conf import Conf

#: Seconds of work that a cluster prefetches.
PREFETCH_SECONDS = 0.05
#: Deliveries that are taken from the broker at a time at most.
MAX_DEQUEUE_BATCH = 500
#: Unsaved results above which no more deliveries are taken.
MAX_UNSAVED_RESULTS = 5000
#: Seconds of work that one worker takes at a time, and the number of tasks at most.
WORKER_BATCH_SECONDS = 0.003
MAX_WORKER_BATCH = 100
#: Finished tasks per worker from which a higher rate counts in full.
MIN_SAMPLES_PER_WORKER = 5
#: Seconds between two checks of the task queue: with fast tasks, and with slow ones.
FAST_POLL_INTERVAL, SLOW_POLL_INTERVAL = 0.005, 5.0
#: Seconds between two checks whether results can be saved again.
STUCK_POLL_INTERVAL = 0.2
#: Seconds within which as many tasks must finish as wait here; otherwise those are released.
MAX_PREFETCH_WAIT_SECONDS = 1.0


class PrefetchLimit(Protocol):
    """How many deliveries a cluster may take now."""

    workers: int

    def limit(self, waiting: int) -> int:
        """Return how many more deliveries fit, if ``waiting`` are in the task queue."""

    def is_overfull(self, waiting: int) -> bool:
        """Whether ``waiting`` in the task queue are more than are done in a second."""

    def is_in_use(self, waiting: int) -> bool:
        """Whether tasks wait, or may soon: a busy worker puts back what it can not start."""

    def worker_batch_size(self) -> int:
        """Return how many deliveries one worker is to take at a time."""

    def poll_interval(self) -> float:
        """Return how many seconds to wait before the next check for room."""


class FixedPrefetchLimit:
    """The limit of a pusher that knows nothing about workers: ``bulk`` deliveries at a time."""

    workers = 1

    def limit(self, waiting: int) -> int:
        """Return the ``bulk`` setting."""
        return max(1, Conf.BULK)

    def is_overfull(self, waiting: int) -> bool:
        """Return False: nothing is measured here."""
        return False

    def is_in_use(self, waiting: int) -> bool:
        """Return False: nothing is measured here."""
        return False

    def worker_batch_size(self) -> int:
        """Return 1: each delivery by itself."""
        return 1

    def poll_interval(self) -> float:
        """Return the interval for fast tasks."""
        return FAST_POLL_INTERVAL


@dataclass
class MeasuredPrefetchLimit:
    """The limit by measurement: what idle workers can start, and what is done in 50 ms.

    ``idle`` and ``finished`` read the workers' slots, ``backlog`` counts unsaved results.
    """

    workers: int
    idle: Callable[[], int]
    finished: Callable[[], int]
    backlog: Callable[[], int]
    is_stuck: Callable[[], bool] = lambda: False  # whether results can not be saved
    rate: float = 0.0  # tasks finished per second
    _last_sample: tuple[float, int] = field(default=(0.0, 0))  # time, and tasks finished by then
    _waiting_since: tuple[float, int] | None = None  # time, and tasks finished by then

    def measure(self) -> None:
        """Measure the rate. A rise counts by half if only a few tasks show it."""
        now, finished = time.monotonic(), self.finished()
        then, before = self._last_sample
        if now - then < FAST_POLL_INTERVAL:
            return
        count = max(0, finished - before)
        rate = count / (now - then)
        if rate > self.rate and count < MIN_SAMPLES_PER_WORKER * self.workers:
            rate = (rate + self.rate) / 2
        self.rate = rate
        self._last_sample = (now, finished)

    def limit(self, waiting: int) -> int:
        """Return how many more deliveries fit; 0 rather than a few while enough are waiting."""
        self.measure()
        if self.backlog() > MAX_UNSAVED_RESULTS or self.is_stuck():
            return 0
        prefetch = int(self.rate * PREFETCH_SECONDS)
        room = self.idle() + prefetch - waiting
        if Conf.QUEUE_LIMIT:
            room = min(room, Conf.QUEUE_LIMIT - waiting)
        if waiting and room < prefetch // 4:
            return 0
        return min(room, MAX_DEQUEUE_BATCH)

    def is_overfull(self, waiting: int) -> bool:
        """Whether tasks have waited for a second, and fewer were finished in it than wait now."""
        if not waiting:
            self._waiting_since = None
            return False
        now, finished = time.monotonic(), self.finished()
        then, before = self._waiting_since = self._waiting_since or (now, finished)
        if now - then < MAX_PREFETCH_WAIT_SECONDS:
            return False
        self._waiting_since = (now, finished)
        return finished - before < waiting

    def is_in_use(self, waiting: int) -> bool:
        """Whether tasks wait, or may soon: a busy worker puts back what it can not start."""
        return bool(waiting) or self.idle() < self.workers

    def worker_batch_size(self) -> int:
        """Return how many deliveries one worker finishes in three milliseconds."""
        return max(1, min(MAX_WORKER_BATCH, int(self.rate / self.workers * WORKER_BATCH_SECONDS)))

    def poll_interval(self) -> float:
        """Return in how many seconds there may be room, unless a worker asks for tasks before."""
        if self.is_stuck():
            return STUCK_POLL_INTERVAL
        return (
            FAST_POLL_INTERVAL
            if self.rate * PREFETCH_SECONDS >= 1 or self.backlog() > MAX_UNSAVED_RESULTS
            else SLOW_POLL_INTERVAL
        )
