"""The interval timer of a worker: it ends tasks at their time limit, and reports slow batches.

A process has one such timer, which raises SIGALRM. A task that uses SIGALRM itself disables its
own time limit; the sentinel then ends the task from outside.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from django_q.exceptions import TimeoutException

HAS_SETITIMER = hasattr(signal, "setitimer")

#: Seconds until the next alarm where one came between two tasks.
ALARM_RETRY_SECONDS = 0.005
#: Seconds, at most, until ``on_slow_batch`` is called again where it fails repeatedly.
MAX_CALLBACK_RETRY_SECONDS = 1.0


class Alarm:
    """Ends tasks at their time limit, and reports a batch that takes long.

    ``on_slow_batch`` is called once when a batch has taken ``slow_batch_seconds``.
    """

    def __init__(self, on_slow_batch: Callable[[], None], slow_batch_seconds: float) -> None:
        self.on_slow_batch = on_slow_batch
        self.slow_batch_seconds = slow_batch_seconds
        self.deadline: float | None = None  # monotonic; of the task that runs
        self.running = False  # whether a task's own code runs, which may be interrupted
        self.is_slow_reported = True  # whether on_slow_batch was called for this batch
        self.retry_seconds = slow_batch_seconds  # until it is called again where it failed

    def install(self) -> None:
        """Take SIGALRM over in this process, and unblock it."""
        if HAS_SETITIMER:
            signal.signal(signal.SIGALRM, self.handle_alarm)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def start_batch(self) -> None:
        """Note that a batch begins, and set the time after which it is reported as slow."""
        self.is_slow_reported = False
        self.retry_seconds = self.slow_batch_seconds
        self._set(self.slow_batch_seconds)

    def start_task(self, limit: float | None) -> None:
        """Note that a task's own code begins, which may take ``limit`` seconds."""
        self.deadline = time.monotonic() + limit if limit else None
        if self.deadline and (self.is_slow_reported or limit < self.slow_batch_seconds):
            self._set(limit)
        self.running = True

    def end_task(self) -> None:
        """Note that the task's own code has ended: what follows is not interrupted."""
        self.running = False
        self.deadline = None

    def end_batch(self) -> None:
        """Note that the batch has ended, and stop the timer."""
        self.is_slow_reported = True
        self._set(0)

    def handle_alarm(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: raise ``TimeoutException`` inside a task past its limit, nothing else."""
        try:
            end = self.handle_due()
        except BaseException:  # such as MemoryError or RecursionError: the task has used that up
            # Not by a method, which would take another frame.
            signal.setitimer(signal.ITIMER_REAL, self.slow_batch_seconds)
            return
        if end is not None:
            raise end

    def handle_due(self) -> TimeoutException | None:
        """Report the batch if it is slow; return the exception that is to end the task, or None."""
        if not self.running:
            if not self.is_slow_reported:
                self._set(ALARM_RETRY_SECONDS)
            return None
        if not self.is_slow_reported:
            self.report_slow_batch()
        waits = [] if self.is_slow_reported else [self.retry_seconds]
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                end = TimeoutException("Task exceeded its time limit")
                end.ends_task = True
                self.running = False
                return end
            waits.append(left)
        if waits:
            self._set(min(waits))
        return None

    def report_slow_batch(self) -> None:
        """Call ``on_slow_batch``; where that fails, it is called again later."""
        self.is_slow_reported = True
        try:
            self.on_slow_batch()
        except BaseException:  # it must not be raised in the task that it interrupts
            self.is_slow_reported = False
            self.retry_seconds = min(2 * self.retry_seconds, MAX_CALLBACK_RETRY_SECONDS)

    @staticmethod
    def _set(seconds: float) -> None:
        if HAS_SETITIMER:
            signal.setitimer(signal.ITIMER_REAL, seconds)


class TimeoutHandler:
    """Raise ``TimeoutException`` inside a ``with`` block that runs longer than ``timeout`` seconds.

    For code of your own; None or a negative number sets no limit. Main thread only.
    """

    #: Seconds until it is raised again where the block does not end; 0 for once.
    repeat_seconds = 0.0

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.previous: Any = None

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        raise TimeoutException(f"Code exceeded its time limit of {self.timeout} seconds")

    def __enter__(self) -> TimeoutHandler:
        if HAS_SETITIMER and self.timeout and self.timeout > 0:
            self.previous = signal.signal(signal.SIGALRM, self.raise_timeout)
            signal.setitimer(signal.ITIMER_REAL, self.timeout, self.repeat_seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.previous is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.previous)
