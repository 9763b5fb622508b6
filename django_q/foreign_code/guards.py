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

from django_q.exceptions import endure, safe_str
from django_q.text.function_names import dotted_name
from django_q.text.printable import printable

logger = logging.getLogger("django-q")


class Doorway(Protocol):
    """Keeps in whose code a process is, for who outlives it."""

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Write down who is called over which task."""

    def leave(self) -> None:
        """Write down that the call is over."""

    def killers(self) -> dict[str, str]:
        """Tell by task in whose code earlier processes of this place have ended."""


class Inside:
    """In whose code the main thread of a process of the cluster is, for who asks why results wait.

    Elsewhere nobody asks.
    """

    since = math.inf  # monotonic
    last = 0.0  # when the one before was over
    what = task = ""  # names of the code, and of the task that it is called for
    pid = thread = 0  # of this process and its main thread, where it is one of a cluster
    doorway: Doorway | None = None
    killers: dict[str, str] = {}  # by id of a task: whose code has ended a process over it

    @classmethod
    def adopt(cls, doorway: Doorway) -> None:
        """Tell a doorway from now on, and learn what the processes before this one died of."""
        cls.doorway, cls.pid, cls.thread = doorway, os.getpid(), threading.get_ident()
        cls.since, cls.what, cls.task = math.inf, "", ""
        cls.killers = doorway.killers()


class Door:
    """A block that calls foreign code: what that raises is logged, and goes no further."""

    def __init__(self, what: str, task: str = "", task_id: str = "") -> None:
        self.what, self.task, self.task_id = what, task, task_id
        self.error: BaseException | None = None
        self.is_outer = False  # of the doors in this process that are passed

    def __enter__(self) -> Door:
        if threading.get_ident() == Inside.thread and Inside.since == math.inf:
            self.is_outer = True
            Inside.since, Inside.what, Inside.task = time.monotonic(), self.what, self.task
            if Inside.doorway is not None:
                Inside.doorway.enter(self.task_id, self.what, self.task)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self.is_outer:
            self.leave()
        if error is None:
            return False
        if self.may_pass(error):
            return False
        self.error = error
        self.report(error)
        return True

    def leave(self) -> None:
        """Note that this process is in nobody's code any more."""
        if os.getpid() != Inside.pid:
            os._exit(0)  # it forked, and this is the child: the parent goes on
        Inside.since, Inside.last = math.inf, time.monotonic()
        if Inside.doorway is not None:
            Inside.doorway.leave()

    def may_pass(self, error: BaseException) -> bool:
        """Whether an error is for the caller."""
        endure(error)
        return False

    def report(self, error: BaseException) -> None:
        """Log what was raised; a line that can not be written is no reason to end either."""
        try:
            text = safe_str(error) or type(error).__name__
            over = f" on [{printable(self.task)}]" if self.task else ""
            logger.error("%s failed%s because %s", self.what, over, text, exc_info=error)
        except BaseException as broken:
            endure(broken)


class StrictDoor(Door):
    """A block that calls foreign code whose errors are for the caller."""

    def may_pass(self, error: BaseException) -> bool:
        """Whether an error is for the caller."""
        return True


def tell(signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any) -> None:
    """Send a signal; what a receiver raises is its own, and keeps it from no other."""
    for receiver in receivers(signal, named["sender"]):
        with Door(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            awaited(receiver(signal=signal, **named))


def consult(signal: Signal, name: str, task: str = "", task_id: str = "", /, **named: Any) -> None:
    """Send a signal whose receivers may raise: then the caller gets it, and no other is called."""
    for receiver in receivers(signal, named["sender"]):
        with StrictDoor(f"receiver {dotted_name(receiver)} of {name}", task, task_id):
            awaited(receiver(signal=signal, **named))


def receivers(signal: Signal, sender: Any) -> Iterator[Callable]:
    """Give the receivers of a signal that live: ordinary ones, then coroutine functions."""
    if signal.has_listeners(sender):
        for kind in signal._live_receivers(sender):
            yield from kind


def awaited(value: Any) -> Any:
    """Wait for a coroutine, or anything that can be awaited; any other value is given back."""
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    # What it asks of the ORM is done in this thread, and by its connections.
    return run_aside(wait()) if in_a_loop() else async_to_sync(wait)()


def run_coroutine(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in this thread, where a signal's handler can interrupt it."""
    return run_aside(coroutine) if in_a_loop() else asyncio.run(coroutine)


def in_a_loop() -> bool:
    """Whether an event loop runs in this thread, inside which no other can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_aside(coroutine: Coroutine) -> Any:
    """Run a coroutine to its end in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
