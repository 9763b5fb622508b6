"""Call foreign code: hooks, receivers of signals, error reporters, methods of values.

Whatever it raises, ``BaseException`` included, is caught around the call, and the log says which
code raised what for which task. Before the call its name is recorded in shared memory: when the
code ends its process, the process that takes its place finds the name, and does not call it again.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, Protocol

from asgiref.sync import async_to_sync
from django.dispatch import Signal

from django_q.exceptions import contain_error
from django_q.foreign_code.coroutines import RunningCoroutine
from django_q.text.error_text import safe_str
from django_q.text.function_names import dotted_name
from django_q.text.printable import printable

logger = logging.getLogger("django-q")


class ForeignCallRecorder(Protocol):
    """Records which foreign code a process is calling, readable after the process has died."""

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Record that code named ``what`` is called for a task."""

    def leave(self) -> None:
        """Record that the call has ended."""

    def crash_causes(self) -> dict[str, str]:
        """Return the code in which earlier processes died, by id of the task it was called for."""


class CurrentForeignCall:
    """The foreign code that the main thread of a cluster's process is calling now.

    It is read to explain why results wait. Other threads and processes are not recorded.
    """

    entered_at = math.inf  # monotonic
    left_at = 0.0  # monotonic; when the last call ended
    what = task = ""  # names of the code, and of the task it is called for
    pid = thread = 0  # of this process and its main thread, where it is one of a cluster
    recorder: ForeignCallRecorder | None = None
    crash_causes: dict[str, str] = {}  # by id of a task: the code that has ended a process

    @classmethod
    def use_recorder(cls, recorder: ForeignCallRecorder) -> None:
        """Record this thread's calls from now on, and read in which code earlier processes died."""
        cls.recorder, cls.pid, cls.thread = recorder, os.getpid(), threading.get_ident()
        cls.entered_at, cls.what, cls.task = math.inf, "", ""
        cls.crash_causes = recorder.crash_causes()


class ForeignCall:
    """A block that calls foreign code: whatever that raises is logged and suppressed."""

    def __init__(self, what: str, task: str = "", task_id: str = "") -> None:
        self.what, self.task, self.task_id = what, task, task_id
        self.error: BaseException | None = None
        self.is_outermost = False  # of nested calls in this process

    def __enter__(self) -> ForeignCall:
        if (
            threading.get_ident() == CurrentForeignCall.thread
            and CurrentForeignCall.entered_at == math.inf
        ):
            self.is_outermost = True
            CurrentForeignCall.entered_at, CurrentForeignCall.what, CurrentForeignCall.task = (
                time.monotonic(),
                self.what,
                self.task,
            )
            if CurrentForeignCall.recorder is not None:
                CurrentForeignCall.recorder.enter(self.task_id, self.what, self.task)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self.is_outermost:
            self.leave()
        if error is None:
            return False
        if self.is_for_caller(error):
            return False
        self.error = error
        self.report(error)
        return True

    def leave(self) -> None:
        """Record that the outermost call has ended."""
        if os.getpid() != CurrentForeignCall.pid:
            os._exit(0)  # the code forked, and this is the child: only the parent continues
        CurrentForeignCall.entered_at, CurrentForeignCall.left_at = math.inf, time.monotonic()
        if CurrentForeignCall.recorder is not None:
            CurrentForeignCall.recorder.leave()

    def is_for_caller(self, error: BaseException) -> bool:
        """Return True if the caller gets an error."""
        contain_error(error)
        return False

    def report(self, error: BaseException) -> None:
        """Log what was raised. A log handler that raises is suppressed as well."""
        try:
            text = safe_str(error) or type(error).__name__
            on_task = f" on [{printable(self.task)}]" if self.task else ""
            logger.error("%s failed%s because %s", self.what, on_task, text, exc_info=error)
        except BaseException as broken:
            contain_error(broken)


class RaisingForeignCall(ForeignCall):
    """A block that calls foreign code whose errors the caller gets."""

    def is_for_caller(self, error: BaseException) -> bool:
        """Return True if the caller gets an error."""
        return True


def send_signal_safely(
    signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any
) -> None:
    """Send a signal. What a receiver raises is logged, and the others are called all the same."""
    for receiver in live_receivers(signal, named["sender"]):
        with ForeignCall(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            resolve_awaitable(receiver(signal=signal, **named))


def send_signal_raising(
    signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any
) -> None:
    """Send a signal whose receivers may raise: the caller gets the error, others are not called."""
    for receiver in live_receivers(signal, named["sender"]):
        with RaisingForeignCall(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            resolve_awaitable(receiver(signal=signal, **named))


def live_receivers(signal: Signal, sender: Any) -> Iterator[Callable]:
    """Yield the live receivers of a signal: ordinary functions first, then coroutine functions."""
    if signal.has_listeners(sender):
        for kind in signal._live_receivers(sender):
            yield from kind


def resolve_awaitable(value: Any) -> Any:
    """Return the result of a coroutine or another awaitable; return other values as they are."""
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    # With async_to_sync its calls of the ORM run in this thread, on this thread's connections.
    return run_in_own_thread(wait()) if has_running_loop() else async_to_sync(wait)()


def run_coroutine(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in this thread, where a signal handler can interrupt it."""
    return run_in_own_thread(coroutine) if has_running_loop() else RunningCoroutine(coroutine).run()


def has_running_loop() -> bool:
    """Return True if an event loop runs in this thread: then no second one can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_in_own_thread(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
