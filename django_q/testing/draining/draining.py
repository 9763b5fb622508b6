"""Run everything that is queued in a test, in the order in which it is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from django_q.exceptions import DjangoQError, TaskCancelled
from django_q.foreign_code.guards import has_running_loop
from django_q.testing.draining.schedules import as_cluster, enqueue_due_schedules, next_due_time
from django_q.testing.draining.task_runs import run_delivery
from django_q.testing.recording.broker import RecordingBroker
from django_q.testing.recording.clock import seconds_in
from django_q.testing.recording.enqueued_task import EnqueuedTask
from django_q.testing.recording.recording import Recording, current_recording

#: Seconds behind a due time to which the clock is moved, so that rounding leaves it behind.
STEP_SECONDS = 0.00001
#: Failures that the text of ``TaskFailed`` lists.
MAX_SHOWN_FAILURES = 10


class TaskFailed(DjangoQError, AssertionError):
    """Raised by ``drain`` when tasks have failed; its cause is the exception of the first."""

    def __init__(self, tasks: list[EnqueuedTask]) -> None:
        shown = "".join(f"\n  {task!r}" for task in tasks[:MAX_SHOWN_FAILURES])
        more = len(tasks) - MAX_SHOWN_FAILURES
        super().__init__(
            f"{len(tasks)} task{'s have' if len(tasks) > 1 else ' has'} failed:{shown}"
            + (f"\n  and {more} more" if more > 0 else "")
        )
        #: The tasks that have failed.
        self.tasks = tasks


def drain(
    span: timedelta | float | None = None,
    *,
    raise_failures: bool = True,
    retries: bool = True,
    schedules: bool = True,
    limit: int = 10_000,
    **units: float,
) -> list[EnqueuedTask]:
    """Run all tasks that are due, and what follows from them; returns those that have ended.

    A task that fails and is to be tried again is, without a pause; with ``retries=False`` it waits
    for its delay. Due schedules are enqueued, unless ``schedules`` is False.

    ``drain(hours=3)``, or a timedelta or seconds, lets that time pass: the clock goes from one due
    time to the next, and each task, retry and schedule runs at its time.

    Raises ``TaskFailed`` at the end if tasks have failed, from the exception of the first; with
    ``raise_failures=False`` each has its exception in ``error``. A cancelled task is no failure
    here. Raises ``DjangoQError`` where more than ``limit`` runs leave tasks to be run.
    """
    __tracebackhide__ = True
    recording, seconds = current_recording(), seconds_in(span, units)
    is_timed = span is not None or bool(units)
    draining = Draining(recording, retries and not is_timed, schedules, limit)
    work = draining.run_due if not is_timed else lambda: draining.run_for(seconds)
    in_thread_outside_loop(work) if has_running_loop() else work()
    failed = [task for task in draining.ended if is_failure(task)]
    if failed and raise_failures:
        raise TaskFailed(failed) from failed[0].error
    return draining.ended


async def adrain(*args: Any, **kwargs: Any) -> list[EnqueuedTask]:
    """Run all tasks that are due, as ``drain``, in the thread of Django's synchronous code."""
    return await sync_to_async(drain, thread_sensitive=True)(*args, **kwargs)


def travel(span: timedelta | float | None = None, **units: float) -> None:
    """Move the clock: ``travel(hours=3)``. Nothing runs meanwhile, as if no cluster did."""
    clock = current_recording().clock
    clock.offset += seconds_in(span, units)


def is_failure(task: EnqueuedTask) -> bool:
    """Return True if a task has failed, and nobody had cancelled it."""
    return not task.success and not isinstance(task.error, TaskCancelled)


@dataclass
class Draining:
    """The state of one ``drain``."""

    recording: Recording
    retries_at_once: bool
    has_schedules: bool
    limit: int  #: runs
    runs: int = 0
    ended: list[EnqueuedTask] = field(default_factory=list)

    def run_due(self) -> None:
        """Run what is due, until nothing is."""
        if self.recording.is_draining:
            raise DjangoQError("drain() was called by a task that it runs: nothing runs twice.")
        self.recording.is_draining = True
        try:
            while self.run_round():
                pass
        finally:
            self.recording.is_draining = False

    def run_round(self) -> bool:
        """Enqueue due schedules, and run what is due in each queue; returns if anything was."""
        runs = self.runs
        if self.has_schedules:
            enqueue_due_schedules()
        for name in sorted(self.recording.queues):
            with as_cluster(name):
                self.run_queue(RecordingBroker(name))
        return self.runs > runs

    def run_queue(self, broker: RecordingBroker) -> None:
        """Run what is due in one queue, one task after the other."""
        # One at a time: a task may cancel, replace or overtake those behind it.
        while deliveries := broker.take(1):
            self.runs += 1
            if self.runs > self.limit:
                raise DjangoQError(
                    f"drain() has run {self.limit} tasks, and there are more. Does a task enqueue "
                    f"itself? The next is {self.recording.tasks[-1]!r}. Otherwise set 'limit'."
                )
            task = run_delivery(deliveries[0], broker, self.recording, self.retries_at_once)
            if task is not None:
                self.ended.append(task)

    def run_for(self, seconds: float) -> None:
        """Let time pass, and run each task when it is due."""
        clock = self.recording.clock
        end = clock.time() + seconds
        self.run_due()
        while (due := self.next_due_time()) is not None and due <= end:
            clock.move_to(due + STEP_SECONDS)
            self.run_due()
        clock.move_to(end)

    def next_due_time(self) -> float | None:
        """Return when something is due next, in seconds since the epoch; None for never."""
        now = self.recording.clock.time()
        times = [
            message.due
            for queue in self.recording.queues.values()
            for message in queue.messages.values()
            if message.due > now
        ]
        if self.has_schedules and (due := next_due_time(now)) is not None:
            times.append(due)
        return min(times, default=None)


def in_thread_outside_loop(call: Callable[[], None]) -> None:
    """Call a function in a thread that has the database connections of this one, which waits.

    No event loop runs there, so that Django's synchronous code may be called. Raises
    ``DjangoQError`` where this thread has no connections, as Django's own asynchronous tests.
    """
    shared = connections_of_thread()
    if not shared:
        raise DjangoQError(
            "drain() finds no database connection in the thread of this event loop. Write "
            "`await adrain()`, which runs in the thread of the synchronous code."
        )

    def run() -> None:
        for connection in shared:
            connections[connection.alias] = connection
        call()

    for connection in shared:
        connection.inc_thread_sharing()
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(copy_context().run, run).result()
    finally:
        for connection in shared:
            connection.dec_thread_sharing()


def connections_of_thread() -> list[Any]:
    """Return the open connections of this thread, which are others while an event loop runs."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)  # documented as low-level, for whoever runs loops
    try:
        return connections.all(initialized_only=True)
    finally:
        asyncio._set_running_loop(loop)
