"""What is counted of the runs of tasks, by queue and function."""

from __future__ import annotations

from typing import Any

from django_q.rollups.sketch import Sketch
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

    def merge(self, other: RunCounts) -> None:
        """Add the runs of another one."""
        self.runs += other.runs
        self.failed += other.failed
        self.wait.merge(other.wait.buckets.items())
        self.run.merge(other.run.buckets.items())


#: By the names of the queue and the function.
CountsByFunction = dict[tuple[str, str], RunCounts]
#: The names, how many runs there were and how many failed, the buckets of both sketches.
PackedCounts = list[tuple[tuple[str, str], int, int, dict[int, int], dict[int, int]]]


def count_run(counts: CountsByFunction, package: TaskPackage, seconds: float | None) -> None:
    """Count the run of a task that has ended, which took ``seconds``; None where it did not run."""
    func: Any = package["func"]
    key = (package.get("cluster") or "", func if type(func) is str else dotted_name(func))
    found = counts.get(key)
    if found is None:
        found = counts[key] = RunCounts()
    found.runs += 1
    if not package["success"]:
        found.failed += 1
    if seconds is None:
        return
    found.run.add(seconds)
    # A delay that was asked for is no waiting, and nor are earlier attempts.
    if package.get("attempt", 1) == 1 and "run_after" not in package:
        age = (package["stopped"] - package["started"]).total_seconds()
        found.wait.add(age - seconds)


def packed(counts: CountsByFunction) -> PackedCounts:
    """Make of counts what is sent to the monitor: plain values, which are pickled quickly."""
    return [
        (key, each.runs, each.failed, each.wait.buckets, each.run.buckets)
        for key, each in counts.items()
    ]


def merge_packed(counts: CountsByFunction, others: PackedCounts) -> None:
    """Add the counts that a worker has sent."""
    for key, runs, failed, wait, run in others:
        found = counts.setdefault(key, RunCounts())
        found.runs += runs
        found.failed += failed
        found.wait.merge(wait.items())
        found.run.merge(run.items())
