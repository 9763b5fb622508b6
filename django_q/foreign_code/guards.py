"""Foreign code: hooks, receivers of signals, error reporters, what classes of values define.

Whatever it raises, ``BaseException`` included, goes no further than the door through which it was
called, and the log says who raised what over which task. Where it ends its process, whoever finds
that dead can read in whose code it was; and what comes after it keeps away from that code.
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

from django_q.exceptions import contain_error, safe_str
from django_q.text.function_names import dotted_name
from django_q.text.printable import printable

logger = logging.getLogger("django-q")


class ForeignCallRecorder(Protocol):
    """Keeps in whose code a process is, for who outlives it."""

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Write down who is called over which task."""

    def leave(self) -> None:
        """Write down that the call is over."""

    def crash_causes(self) -> dict[str, str]:
        """Tell by task in whose code earlier processes of this place have ended."""


class CurrentForeignCall:
    """In whose code the main thread of a process of the cluster is, for who asks why results wait.

    Elsewhere nobody asks.
    """

    entered_at = math.inf  # monotonic
    left_at = 0.0  # when the one before was over
    what = task = ""  # names of the code, and of the task that it is called for
    pid = thread = 0  # of this process and its main thread, where it is one of a cluster
    recorder: ForeignCallRecorder | None = None
    crash_causes: dict[str, str] = {}  # by id of a task: whose code has ended a process over it

    @classmethod
    def use_recorder(cls, recorder: ForeignCallRecorder) -> None:
        """Tell a doorway from now on, and learn what the processes before this one died of."""
        cls.recorder, cls.pid, cls.thread = recorder, os.getpid(), threading.get_ident()
        cls.entered_at, cls.what, cls.task = math.inf, "", ""
        cls.crash_causes = recorder.crash_causes()


class ForeignCall:
    """A block that calls foreign code: what that raises is logged, and goes no further."""

    def __init__(self, what: str, task: str = "", task_id: str = "") -> None:
        self.what, self.task, self.task_id = what, task, task_id
        self.error: BaseException | None = None
        self.is_outermost = False  # of the doors in this process that are passed

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
        """Note that this process is in nobody's code any more."""
        if os.getpid() != CurrentForeignCall.pid:
            os._exit(0)  # it forked, and this is the child: the parent goes on
        CurrentForeignCall.entered_at, CurrentForeignCall.left_at = math.inf, time.monotonic()
        if CurrentForeignCall.recorder is not None:
            CurrentForeignCall.recorder.leave()

    def is_for_caller(self, error: BaseException) -> bool:
        """Whether an error is for the caller."""
        contain_error(error)
        return False

    def report(self, error: BaseException) -> None:
        """Log what was raised; a line that can not be written is no reason to end either."""
        try:
            text = safe_str(error) or type(error).__name__
            over = f" on [{printable(self.task)}]" if self.task else ""
            logger.error("%s failed%s because %s", self.what, over, text, exc_info=error)
        except BaseException as broken:
            contain_error(broken)


class RaisingForeignCall(ForeignCall):
    """A block that calls foreign code whose errors are for the caller."""

    def is_for_caller(self, error: BaseException) -> bool:
        """Whether an error is for the caller."""
        return True


def send_signal_safely(
    signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any
) -> None:
    """Send a signal; what a receiver raises is its own, and keeps it from no other."""
    for receiver in live_receivers(signal, named["sender"]):
        with ForeignCall(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            resolve_awaitable(receiver(signal=signal, **named))


def send_signal_raising(
    signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any
) -> None:
    """Send a signal whose receivers may raise: then the caller gets it, and no other is called."""
    for receiver in live_receivers(signal, named["sender"]):
        with RaisingForeignCall(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            resolve_awaitable(receiver(signal=signal, **named))


def live_receivers(signal: Signal, sender: Any) -> Iterator[Callable]:
    """Give the receivers of a signal that live: ordinary ones, then coroutine functions."""
    if signal.has_listeners(sender):
        for kind in signal._live_receivers(sender):
            yield from kind


def resolve_awaitable(value: Any) -> Any:
    """Wait for a coroutine, or anything that can be awaited; any other value is given back."""
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    # What it asks of the ORM is done in this thread, and by its connections.
    return run_in_own_thread(wait()) if has_running_loop() else async_to_sync(wait)()


def run_coroutine(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in this thread, where a signal's handler can interrupt it."""
    return run_in_own_thread(coroutine) if has_running_loop() else asyncio.run(coroutine)


def has_running_loop() -> bool:
    """Whether an event loop runs in this thread, inside which no other can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_in_own_thread(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
