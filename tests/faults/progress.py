"""How a run gets on once what was broken is whole again: a stall, or only a slow machine."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path


class Progress:
    """How many tasks were left at which time, and how busy the machine was."""

    def __init__(self) -> None:
        self.mended = time.monotonic()
        self.steps: list[tuple[float, int]] = []  # seconds since then, tasks left

    @property
    def seconds(self) -> float:
        """Seconds since all was whole again."""
        return time.monotonic() - self.mended

    def note(self, left: int) -> None:
        """Note how many tasks are left, where that has changed."""
        if not self.steps or self.steps[-1][1] != left:
            self.steps.append((round(self.seconds, 2), left))

    def ended(self) -> float:
        """Give the seconds until no task was left, or until now."""
        return self.steps[-1][0] if self.steps and not self.steps[-1][1] else self.seconds

    def longest_stall(self) -> float:
        """Give the seconds of the longest time without a change, the one that lasts included."""
        moments = [0.0, *(moment for moment, _ in self.steps)]
        if self.steps and self.steps[-1][1]:
            moments.append(self.seconds)
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def told(self, folder: Path) -> str:
        """Tell the whole of it, with what the disk takes to write something now."""
        return (
            f"seconds since all was whole again, and tasks left: {self.steps}\n"
            f"longest time without a change: {self.longest_stall():.1f} s; load of the machine: "
            f"{os.getloadavg()}; the disk takes {seconds_to_sync(folder):.3f} s for a write"
        )


def seconds_to_sync(folder: Path) -> float:
    """Measure how long the disk takes until it has a few bytes."""
    began = time.monotonic()
    with open(folder / "probe", "wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began
