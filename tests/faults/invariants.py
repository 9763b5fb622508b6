"""What has to hold of a run, whatever was broken meanwhile."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

#: The number of a task that is the next link of a chain is that of the first, and this.
LINK = 100_000


@dataclass
class TaskRun:
    """One run of one task."""

    number: int
    pid: int
    began: float  # monotonic
    ended: float | None = None  # None: it was ended from outside


@dataclass
class Trace:
    """What the tasks of a run have left."""

    runs: dict[int, list[TaskRun]] = field(default_factory=lambda: defaultdict(list))
    hooks: Counter = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path) -> Trace:
        """Read the file that all of them wrote to."""
        trace = cls()
        open_runs: dict[tuple[int, int], TaskRun] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            kind, number, pid, moment = line.split()
            key = int(number), int(pid)
            if kind == "began":
                run = open_runs[key] = TaskRun(*key, float(moment))
                trace.runs[key[0]].append(run)
            elif kind == "ended":
                open_runs.pop(key).ended = float(moment)
            else:
                trace.hooks[key[0]] += 1
        return trace

    @property
    def repeated(self) -> Counter:
        """Count the runs beyond the first, by task."""
        return Counter({number: len(runs) - 1 for number, runs in self.runs.items()})

    def overlapping(self) -> list[int]:
        """Find tasks of which two runs went on at once."""
        return [number for number, runs in self.runs.items() if overlap(runs)]


def overlap(runs: list[TaskRun]) -> bool:
    """Whether two of these runs went on at once; of one that was ended from outside none knows."""
    in_order = sorted(runs, key=lambda run: run.began)
    return any(
        one.ended is not None and one.ended > next_one.began for one, next_one in pairwise(in_order)
    )


@dataclass
class Crash:
    """An instant at which something was ended that may have held tasks."""

    moment: float  # monotonic
    saved: set[int]  # tasks that were saved, and so in nobody's hand, a moment before

    def may_repeat(self, number: int, trace: Trace) -> bool:
        """Whether a task had begun and was not saved."""
        return number not in self.saved and trace.runs[number][0].began < self.moment


def not_explained(trace: Trace, crashes: list[Crash]) -> list[int]:
    """Find tasks that ran more often than crashes account for."""
    return [
        number
        for number, extra in trace.repeated.items()
        if extra > sum(crash.may_repeat(number, trace) for crash in crashes)
    ]


def absent_tasks(missing: list[int], accepted: dict[int, str]) -> list[int]:
    """Of numbers that are not saved, leave those of which each is a task that must be somewhere.

    A link whose first has not ended is not there yet, and calls that were given the id of a task of
    the same key have one task together.
    """
    there = [number for number in missing if number < LINK or number - LINK not in missing]
    return sorted({accepted[number]: number for number in reversed(there)}.values())


@dataclass
class Verdict:
    """What became of the tasks of a run."""

    tasks: int = 0  # accepted
    lost: list[int] = field(default_factory=list)  # numbers, neither saved nor in the broker
    waiting: int = 0  # not saved at the end of the time, and still in the broker
    failed: list[int] = field(default_factory=list)  # saved as failures
    repeated: int = 0  # runs beyond the first of each task
    not_explained: list[int] = field(default_factory=list)  # repeated without a crash
    crashes: int = 0  # how often something that held tasks was ended
    overlapping: list[int] = field(default_factory=list)
    without_hook: list[int] = field(default_factory=list)
    options: list[str] = field(default_factory=list)  # what does not hold of tasks with options
    expired: int = 0  # ended without a run, as they were to
    left: list[str] = field(default_factory=list)  # processes, files, leases that stayed
    seconds: float = 0.0  # from when all was whole again until the last task was saved
    stall: float = 0.0  # the longest of these in which no task was saved

    def violations(self) -> list[str]:
        """Say what does not hold."""
        found = {
            f"lost: {self.lost}": self.lost,
            f"not saved in time, but still in the broker: {self.waiting}": self.waiting,
            f"failed: {self.failed}": self.failed,
            f"repeated without a crash: {self.not_explained}": self.not_explained,
            f"two runs at once: {self.overlapping}": self.overlapping,
            f"no hook: {self.without_hook}": self.without_hook,
            f"of tasks with options: {self.options}": self.options,
            f"left behind: {self.left}": self.left,
        }
        return [text for text, is_so in found.items() if is_so]
