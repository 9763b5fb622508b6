"""The alarm of a worker: time limits, and what must not wait behind a slow task.

One interval timer of the process serves both, so a task that sets SIGALRM itself takes its
time limit out; the sentinel then ends the task from outside.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from django_q.exceptions import TimeoutException

SUPPORTED = hasattr(signal, "setitimer")

#: Seconds until the alarm is tried again when it came between two tasks.
SOON = 0.005
#: Seconds until ``lag`` is called again where it fails time after time.
LONGEST_PAUSE = 1.0


class Alarm:
    """Calls ``lag`` once a batch has taken ``patience`` seconds, and ends tasks at their limit."""

    def __init__(self, lag: Callable[[], None], patience: float) -> None:
        self.lag = lag
        self.patience = patience
        self.deadline: float | None = None  # monotonic; of the task that runs
        self.running = False  # whether a task's own code runs, which may be interrupted
        self.lagging = True  # whether lag was called for this batch
        self.pause = patience  # seconds until lag is called again where it failed

    def install(self) -> None:
        """Take SIGALRM over in this process, and unblock it."""
        if SUPPORTED:
            signal.signal(signal.SIGALRM, self.ring)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def start_batch(self) -> None:
        """Begin a batch: ``lag`` is called when it takes longer than ``patience``."""
        self.lagging = False
        self.pause = self.patience
        self._set(self.patience)

    def start_task(self, limit: float | None) -> None:
        """Begin a task's own code, which may take ``limit`` seconds."""
        self.deadline = time.monotonic() + limit if limit else None
        if self.deadline and (self.lagging or limit < self.patience):
            self._set(limit)
        self.running = True

    def end_task(self) -> None:
        """The task's own code is over."""
        self.running = False
        self.deadline = None

    def end_batch(self) -> None:
        """Nothing is in hand any more."""
        self.lagging = True
        self._set(0)

    def ring(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: raise ``TimeoutException`` inside a task past its limit, nothing else."""
        try:
            end = self.attend()
        except BaseException:  # of memory, or of a stack, that the task has used up
            # Not by a method, which would take another frame.
            signal.setitimer(signal.ITIMER_REAL, self.patience)
            return
        if end is not None:
            raise end

    def attend(self) -> TimeoutException | None:
        """See to what is due, and give what is to end the task."""
        if not self.running:
            if not self.lagging:
                self._set(SOON)
            return None
        if not self.lagging:
            self.call_lag()
        waits = [] if self.lagging else [self.pause]
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

    def call_lag(self) -> None:
        """Call ``lag``; where that fails, it is called again later."""
        self.lagging = True
        try:
            self.lag()
        except BaseException:  # whatever it is, it is none of the task that it interrupts
            self.lagging = False
            self.pause = min(2 * self.pause, LONGEST_PAUSE)

    @staticmethod
    def _set(seconds: float) -> None:
        if SUPPORTED:
            signal.setitimer(signal.ITIMER_REAL, seconds)


class TimeoutHandler:
    """Raise ``TimeoutException`` inside a ``with`` block that runs longer than ``timeout`` seconds.

    For code of your own; None or a negative number sets no limit. Main thread only.
    """

    #: Seconds until it is raised again where the block does not end; 0 for once.
    again = 0.0

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self.previous: Any = None

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        raise TimeoutException(f"Code exceeded its time limit of {self.timeout} seconds")

    def __enter__(self) -> TimeoutHandler:
        if SUPPORTED and self.timeout and self.timeout > 0:
            self.previous = signal.signal(signal.SIGALRM, self.raise_timeout)
            signal.setitimer(signal.ITIMER_REAL, self.timeout, self.again)
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
