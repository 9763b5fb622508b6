"""Compatibility: django-q2's counter in shared memory, which ``django_q.queues`` exports."""

from __future__ import annotations

import multiprocessing


class SharedCounter:
    """Count up and down in several processes, under a lock."""

    def __init__(self, n: int = 0) -> None:
        self.count = multiprocessing.Value("i", n)

    def increment(self, n: int = 1) -> None:
        """Add ``n``, which may be negative."""
        with self.count.get_lock():
            self.count.value += n

    @property
    def value(self) -> int:
        """The sum of all increments."""
        return self.count.value
