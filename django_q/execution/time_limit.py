"""The interval timer of a worker: it ends tasks at their time limit, and reports slow batches.

A process has one such timer, which raises SIGALRM. The sentinel sends that signal too, when the
task that runs is cancelled. A task that uses SIGALRM itself disables its own time limit; the
sentinel then ends the task from outside.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from django_q.exceptions import (
    BrokerUnavailable,
    SoftTimeout,
    TaskCancelled,
    TaskInterruption,
    TimeoutException,
)
from django_q.foreign_code.coroutines import RunningCoroutine

HAS_SETITIMER = hasattr(signal, "setitimer")

#: Seconds until the next alarm where one came between two tasks.
ALARM_RETRY_SECONDS = 0.005
#: Seconds after which an alarm comes again that Python has not handled: one that comes just before
#: a system call, such as a long sleep, is handled after that call.
ALARM_REPEAT_SECONDS = 0.05
#: Seconds until the next alarm at least: a timer that is set to none is off.
MIN_ALARM_SECONDS = 0.0001
#: Seconds, at most, until ``on_slow_batch`` is called again where it fails repeatedly.
MAX_CALLBACK_RETRY_SECONDS = 1.0


class Alarm:
    """Ends tasks at their time limit or when they are cancelled, and reports a batch that is slow.

    ``on_slow_batch`` is called once when a batch has taken ``slow_batch_seconds``. At each alarm
    ``find_cancellation`` says who has cancelled the task that runs; None where nobody has.
    """

    def __init__(
        self,
        on_slow_batch: Callable[[], None],
        slow_batch_seconds: float,
        find_cancellation: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.on_slow_batch, self.find_cancellation = on_slow_batch, find_cancellation
        self.slow_batch_seconds = slow_batch_seconds
        self.soft_deadline: float | None = None  # monotonic; of the task that runs
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

    def start_task(self, limit: float | None, soft_limit: float | None = None) -> None:
        """Note that a task's own code begins, which may take ``limit`` seconds.

        After ``soft_limit`` seconds, which are fewer, ``SoftTimeout`` is raised in it once.
        """
        self.deadline = time.monotonic() + limit if limit else None
        if soft_limit:
            self.soft_deadline = time.monotonic() + soft_limit
        first = soft_limit or limit
        if first and (self.is_slow_reported or first < self.slow_batch_seconds):
            self._set(first)
        self.running = True

    def end_task(self) -> None:
        """Note that the task's own code has ended: what follows is not interrupted."""
        self.running = False
        self.deadline = self.soft_deadline = None

    def end_batch(self) -> None:
        """Note that the batch has ended, and stop the timer."""
        self.is_slow_reported = True
        self._set(0)

    def handle_alarm(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM: raise what is to end the task that runs, or ``SoftTimeout``, if due."""
        try:
            error = self.handle_due()
            if type(error) is SoftTimeout and is_raised_in_coroutine(error):
                error = None
        except BaseException:  # such as MemoryError or RecursionError: the task has used that up
            # Not by a method, which would take another frame.
            signal.setitimer(signal.ITIMER_REAL, self.slow_batch_seconds)
            return
        if error is not None:
            raise error

    def handle_due(self) -> BaseException | None:
        """Report the batch if it is slow; return what is to be raised in the task, or None."""
        if not self.running:
            if self.is_slow_reported:
                self._set_next(time.monotonic())  # of a task that is just about to begin
            else:
                self._set(ALARM_RETRY_SECONDS)
            return None
        if not self.is_slow_reported:
            self.report_slow_batch()
        end = self.due_end()
        if end is not None:
            end.ends_task = True
            self.running = False
            self._set(0)
            return end
        now = time.monotonic()
        error = None
        if self.soft_deadline is not None and self.soft_deadline <= now:
            self.soft_deadline = None
            error = SoftTimeout("Task exceeded its soft time limit")
        self._set_next(now)
        return error

    def due_end(self) -> TaskInterruption | None:
        """Return what is to end the task that runs; None if it may go on."""
        if text := self.find_cancellation():
            return TaskCancelled(text)
        if self.deadline is not None and self.deadline <= time.monotonic():
            return TimeoutException("Task exceeded its time limit")
        return None

    def _set_next(self, now: float) -> None:
        """Set the timer to what is due next."""
        waits = [] if self.is_slow_reported else [self.retry_seconds]
        waits += [each - now for each in (self.deadline, self.soft_deadline) if each is not None]
        self._set(max(min(waits), MIN_ALARM_SECONDS) if waits else 0)

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
            signal.setitimer(signal.ITIMER_REAL, seconds, ALARM_REPEAT_SECONDS if seconds else 0)


def is_raised_in_coroutine(error: BaseException) -> bool:
    """Raise an error where the coroutine of an asynchronous task waits; False if none does."""
    running = RunningCoroutine.current
    return running is not None and running.interrupt(error)


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


class CallTimeout(TimeoutHandler):
    """Raises an ordinary error in place of ``TimeoutException``, for calls to servers.

    At others psycopg waits to cancel its query. It comes again, as Django may connect anew, and
    wait, at the end of a failed transaction.
    """

    repeat_seconds = 1.0

    def __init__(self, timeout: float | None, error: type[Exception] = BrokerUnavailable) -> None:
        super().__init__(timeout)
        self.error = error

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Raise the error; the handler of SIGALRM."""
        raise self.error(f"no answer came in {self.timeout:g} seconds")
