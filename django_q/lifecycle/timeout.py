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


class Alarm:
    """Calls ``lag`` once a batch has taken ``patience`` seconds, and ends tasks at their limit."""

    def __init__(self, lag: Callable[[], None], patience: float) -> None:
        self.lag = lag
        self.patience = patience
        self.deadline: float | None = None  # monotonic; of the task that runs
        self.running = False  # whether a task's own code runs, which may be interrupted
        self.lagging = True  # whether lag was called for this batch

    def install(self) -> None:
        """Take SIGALRM over in this process, and unblock it."""
        if SUPPORTED:
            signal.signal(signal.SIGALRM, self.ring)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def start_batch(self) -> None:
        """Begin a batch: ``lag`` is called when it takes longer than ``patience``."""
        self.lagging = False
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
        """Handle SIGALRM. Raises ``TimeoutException`` inside a task past its limit."""
        if not self.running:
            if not self.lagging:
                self._set(SOON)
            return
        if not self.lagging:
            self.lagging = True
            self.lag()
        if self.deadline is None:
            return
        left = self.deadline - time.monotonic()
        if left > 0:
            self._set(left)
        else:
            self.running = False
            raise TimeoutException("Task exceeded its time limit")

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
