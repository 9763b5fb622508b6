"""What is counted of the runs of tasks, by queue and function."""

from __future__ import annotations

import time
from typing import Any

from django_q.conf import logger
from django_q.rollups.sketch import Sketch
from django_q.text.error_text import error_summary, safe_str
from django_q.text.function_names import dotted_name
from django_q.wire.package import TaskPackage

#: Characters that are kept of the name of a function or a queue.
MAX_COUNTED_NAME = 200
#: Of the runs of a function in a batch these are timed: the first, the second, the fourth, the
#: eighth, and from then on each eighth.
TIMED_INTERVAL = 8
#: By the number of a run up to the eighth, for how many it stands; 0 where it is not timed.
FIRST_WEIGHTS = (0, 1, 1, 0, 2, 0, 0, 0, 4)


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
    add_times(count_end(counts, package), package, seconds)


def count_short_run(counts: CountsByFunction, package: TaskPackage, began: float | None) -> None:
    """Count a run of a batch of a worker, which began at ``began``, a monotonic time, or never.

    Each run counts. Of many in a batch some are timed, and stand for those before them: to time
    all of them would take several hundredths of the time of very short tasks. Never raises.
    """
    try:
        found = count_end(counts, package)
        if weight := weight_of(found.runs):
            seconds = None if began is None else time.monotonic() - began
            add_times(found, package, seconds, weight)
    except Exception as error:  # receivers of signals may have put anything there
        logger.debug("a run is not counted: %s", error_summary(error))


def weight_of(number: int) -> int:
    """Return for how many runs of a batch one stands, by its number from 1; 0 if not timed."""
    if number <= TIMED_INTERVAL:
        return FIRST_WEIGHTS[number]
    return 0 if number % TIMED_INTERVAL else TIMED_INTERVAL


def count_end(counts: CountsByFunction, package: TaskPackage) -> RunCounts:
    """Count the end of a run, and return the counts that it is in."""
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
    return found


def add_times(
    found: RunCounts, package: TaskPackage, seconds: float | None, weight: int = 1
) -> None:
    """Add how long a run took, and how long its task had waited, for ``weight`` runs."""
    if seconds is None:
        return
    found.run.add(seconds, weight)
    # A delay that was asked for is no waiting, and nor are earlier attempts.
    if package.get("attempt", 1) == 1 and "run_after" not in package:
        age = (package["stopped"] - package["started"]).total_seconds()
        found.wait.add(age - seconds, weight)


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
