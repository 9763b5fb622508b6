"""Keep a test run on one processor where the clocks of the processors differ.

In a virtual machine they can differ by a millisecond, so that time goes back when a process, or the
server that it asks, is moved from one to another. What is due at once is then due a moment later.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
import time
from pathlib import Path

#: How often the clock is read on each processor.
LOOKS = 50
#: Test runs that find a processor at most.
MOST = 16
#: Files that are locked by who uses a processor.
locks: list[int] = []


def keep_to_one_clock() -> int | None:
    """Keep this process, and those it starts, on one processor where that is needed.

    Returns the one that the fewest test runs use, or None where the clocks agree.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2 or not clocks_differ(processors):
        return None
    for place, processor in itertools.product(range(MOST), processors):
        if is_free(processor, place):
            os.sched_setaffinity(0, {processor})
            return processor
    return None


def clocks_differ(processors: list[int]) -> bool:
    """Whether time goes back when this process goes from one processor to another."""
    last, found = 0, False
    for _ in range(LOOKS):
        for processor in processors:
            os.sched_setaffinity(0, {processor})
            now = time.time_ns()
            found = found or now < last
            last = now
    os.sched_setaffinity(0, processors)
    return found


def is_free(processor: int, place: int) -> bool:
    """Take a place on a processor until this process ends; False where another run has it."""
    path = Path(tempfile.gettempdir()) / f"django_q-tests-processor-{processor}-{place}"
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError:  # of another user
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    locks.append(file)
    return True
