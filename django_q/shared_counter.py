"""A number that processes share, by the name it has in django-q2."""

from __future__ import annotations

import multiprocessing


class SharedCounter:
    """Counts up and down in several processes."""

    def __init__(self, n: int = 0) -> None:
        self.count = multiprocessing.Value("i", n)

    def increment(self, n: int = 1) -> None:
        """Add a number."""
        with self.count.get_lock():
            self.count.value += n

    @property
    def value(self) -> int:
        """The number."""
        return self.count.value
