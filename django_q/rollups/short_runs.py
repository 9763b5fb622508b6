"""Runs of which a worker sends a receipt and nothing else: all are counted, some are timed.

All of them have succeeded, as failures have rows. They may take a few microseconds each, so little
is done for each of them.
"""

from __future__ import annotations

import time
from typing import Any

from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.rollups.run_counts import CountsByFunction, RunCounts, waiting_seconds
from django_q.text.error_text import error_summary
from django_q.text.function_names import dotted_name
from django_q.wire.package import TaskPackage

#: Of the runs between two messages to the monitor the first is timed, and each that is so many
#: behind: it stands for those up to the next. A prime, so that functions in turn are all met.
TIMED_INTERVAL = 31

#: Of a timed run: its function, its seconds, and those of the wait before it; None is none.
TimedRun = tuple[str, "float | None", "float | None"]
#: What is sent: how many runs there were of each function, and the timed ones.
SentRuns = tuple[dict[str, int], list[TimedRun]]


class ShortRuns:
    """The runs of a worker since its last message to the monitor."""

    __slots__ = ("ended", "number", "timed")

    def __init__(self) -> None:
        self.number = 0  # of runs
        #: How many runs there were of each function.
        self.ended: dict[str, int] = {}
        self.timed: list[TimedRun] = []

    def add(self, package: TaskPackage, began: float | None) -> None:
        """Count a run, which began at ``began``, a monotonic time; None where it did not run.

        Never raises.
        """
        try:
            func: Any = package["func"]
            if type(func) is not str:
                func = dotted_name(func)
            number, ended = self.number, self.ended
            self.number = number + 1
            ended[func] = ended.get(func, 0) + 1
            if not number % TIMED_INTERVAL:
                seconds = None if began is None else time.monotonic() - began
                self.timed.append((func, seconds, waiting_seconds(package, seconds)))
        except BaseException as error:  # receivers of signals may have put anything there
            contain_error(error)
            logger.debug("a run is not counted or timed: %s", error_summary(error))

    def sent(self) -> SentRuns | tuple[()]:
        """Make what is sent: plain values, which are pickled quickly; empty for no runs."""
        return (self.ended, self.timed) if self.ended else ()


def merge_sent(counts: CountsByFunction, queue: str, sent: SentRuns) -> None:
    """Add the runs that a worker of a queue has sent."""
    ended, timed = sent
    for func, runs in ended.items():
        found = counts.get((queue, func))
        if found is None:
            found = counts[queue, func] = RunCounts()
        found.runs += runs
    left = sum(ended.values())
    for func, seconds, wait in timed:
        counts[queue, func].add_times(seconds, wait, min(left, TIMED_INTERVAL))
        left -= TIMED_INTERVAL
