"""What is counted of the runs of tasks, by queue and function."""

from __future__ import annotations

from typing import Any

from django_q.rollups.sketch import Sketch
from django_q.text.error_text import safe_str
from django_q.text.function_names import dotted_name
from django_q.wire.package import TaskPackage

#: Characters that are kept of the name of a function or a queue.
MAX_COUNTED_NAME = 200


class RunCounts:
    """The runs of a function in a queue: how many, how many failed, and how long they took."""

    __slots__ = ("failed", "run", "runs", "wait")

    def __init__(self, runs: int = 0, failed: int = 0) -> None:
        self.runs, self.failed = runs, failed
        #: Seconds from when a task could be begun until it was; of first attempts alone.
        self.wait = Sketch()
        #: Seconds that runs took. Those that were ended with their worker are not known.
        self.run = Sketch()

    def add_times(self, run: float | None, wait: float | None, weight: int = 1) -> None:
        """Add the seconds of a run and of the wait before it, for ``weight`` runs; None is none."""
        if run is not None:
            self.run.add(run, weight)
        if wait is not None:
            self.wait.add(wait, weight)

    def merge(self, other: RunCounts) -> None:
        """Add the runs of another one."""
        self.runs += other.runs
        self.failed += other.failed
        self.wait.merge(other.wait.buckets.items())
        self.run.merge(other.run.buckets.items())


#: By the names of the queue and the function.
CountsByFunction = dict[tuple[str, str], RunCounts]


def count_run(counts: CountsByFunction, package: TaskPackage, seconds: float | None) -> None:
    """Count the run of a task that has ended, which took ``seconds``; None where it did not run."""
    func: Any = package["func"]
    queue: Any = package.get("cluster") or ""
    key = (
        queue if type(queue) is str else safe_str(queue),  # another producer's may be anything
        func if type(func) is str else dotted_name(func),
    )
    found = counts.get(key)
    if found is None:
        found = counts[key] = RunCounts()
    found.runs += 1
    if not package["success"]:
        found.failed += 1
    found.add_times(seconds, waiting_seconds(package, seconds))


def waiting_seconds(package: TaskPackage, seconds: float | None) -> float | None:
    """Return how long a task had waited before it ran for ``seconds``; None where that is no wait.

    A delay that was asked for is none, and nor are earlier attempts.
    """
    if seconds is None or package.get("attempt", 1) != 1 or "run_after" in package:
        return None
    return (package["stopped"] - package["started"]).total_seconds() - seconds
