"""Scales of charts: where a number is, from 0 at the bottom to 1 at the top, and its grid."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10

from django_q.dashboard.charts.texts import short_time


class CountScale:
    """A scale of numbers from 0 to a round number that is not below the greatest."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.top = round_up(max(numbers, default=0))

    def share(self, number: float) -> float:
        """Tell where a number is."""
        return number / self.top

    def grid(self) -> list[tuple[float, str]]:
        """List the lines of the grid: where, and what it says."""
        middle = [(0.5, str(self.top // 2))] if self.top % 2 == 0 else []
        return [*middle, (1.0, str(self.top))]


class TimeScale:
    """A logarithmic scale of seconds, from one power of ten to another."""

    def __init__(self, times: Iterable[float]) -> None:
        found = sorted(times)
        self.low = floor(log10(found[0])) if found else -1
        self.high = max(ceil(log10(found[-1])) if found else 0, self.low + 1)

    def share(self, seconds: float) -> float:
        """Tell where a time is."""
        return min(max((log10(seconds) - self.low) / (self.high - self.low), 0.0), 1.0)

    def grid(self) -> list[tuple[float, str]]:
        """List the lines of the grid, at most six: where, and what it says."""
        every = ceil((self.high - self.low) / 5)
        powers = range(self.high, self.low - 1, -every)
        return [(self.share(10.0**power), power_text(power)) for power in powers]


def power_text(power: int) -> str:
    """Write a power of ten seconds, in seconds from one on."""
    return f"{10**power} s" if power >= 0 else short_time(10.0**power * 1.0001).replace(".0 ", " ")


def round_up(number: int) -> int:
    """Return the next of 1, 2, 4, 6, 8, 10, 20, 40, ... that is not below a number."""
    if number <= 1:
        return 1
    size = 10 ** max(ceil(log10(number)) - 1, 0)
    return next(factor * size for factor in (1, 2, 4, 6, 8, 10) if factor * size >= number)
