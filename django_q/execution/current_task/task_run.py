"""The task that runs: what ``current_task`` tells of it, and where it writes how far it is."""

from __future__ import annotations

import math
import os
import time
from contextvars import ContextVar
from datetime import datetime, timedelta
from datetime import timezone as dt_timezone
from functools import cached_property
from typing import Any, Protocol

from django_q.caller_context.travel import execute_in_caller_context
from django_q.conf import Conf, logger
from django_q.exceptions import TaskCancelled, TaskStopped
from django_q.execution.current_task.loop_positions import LoopPositionKeeper
from django_q.execution.execution import execute, time_limit
from django_q.foreign_code.coroutines import uses_own_connections
from django_q.task_state.position import LoopPositions
from django_q.text.error_text import safe_str
from django_q.text.representation import represent
from django_q.wire.package import TaskPackage


class ForkCount:
    """How many forks lie between this process and the first; asking for the pid takes longer."""

    value = 0

    @classmethod
    def add(cls) -> None:
        """Note in a forked process that it is one."""
        cls.value += 1


os.register_at_fork(after_in_child=ForkCount.add)


class RunHost(Protocol):
    """The worker that runs a task, as far as the task has to do with it."""

    #: The slot that it writes to; None where it has none.
    slot: Any
    #: ``ForkCount.value`` of its process.
    forks: int
    #: Whether its cluster stops, so that a task that can go on elsewhere is to end.
    is_stopping: bool

    def cancellation(self, run: TaskRun) -> str | None:
        """Return who has cancelled a run; None where nobody has."""

    def label_task(self) -> None:
        """Name the task that runs in the slot."""


class TaskRun:
    """One run of a task. There is one for each task that a worker runs, so making it is cheap."""

    done: Any = math.nan
    total: Any = math.nan
    note = ""
    has_told_total = False  # whether the task has said of how much
    has_told_done = False  # whether it has said how far it is, since its loop began
    has_logged = False  # whether a value was logged that is no number
    is_cancelled = False  # whether TaskCancelled was raised
    is_stopped = False  # whether TaskStopped was raised

    #: What each has. All else is in its dictionary, which is made where there is such a thing.
    __slots__ = ("__dict__", "host", "package", "since")

    def __init__(self, package: TaskPackage, host: RunHost | None, since: float) -> None:
        self.package, self.host = package, host
        self.since = since  # monotonic; by which the slot tells it from others

    @property
    def deadline(self) -> datetime | None:
        """When its time limit ends it, in UTC; None for never."""
        limit = time_limit(self.package) if self.host else None
        if not limit:
            return None
        left = timedelta(seconds=self.since + limit - time.monotonic())
        return datetime.fromtimestamp(time.time(), dt_timezone.utc) + left

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return self.package.get("cluster") or Conf.CLUSTER_NAME

    @cached_property
    def positions(self) -> LoopPositionKeeper:
        """How far its loops have got. Made when the first begins."""
        if self.may_write:
            self.host.label_task()  # type: ignore[union-attr] # the sentinel saves by that id
        return LoopPositionKeeper(self.package.get("position") or {}, self.write_position)

    @property
    def confirmed_position(self) -> LoopPositions | None:
        """How far its loops have got, as is sure; None if it had none."""
        return dict(self.positions.confirmed) if "positions" in vars(self) else None

    @property
    def writable_slot(self) -> Any:
        """The slot of its worker; None in a process that it has forked, which writes nothing.

        Nor does a thread that it has left behind: a slot takes nothing of a task that has ended.
        """
        host = self.host
        return host.slot if host is not None and host.forks == ForkCount.value else None

    @property
    def may_write(self) -> bool:
        """Whether this is its process, and no later task has begun there."""
        slot = self.writable_slot
        return slot is not None and slot.is_since(self.since)

    def progress(self, done: Any, total: Any, note: Any) -> None:
        """Write how far it is. A value that means nothing is left out, and raises nothing."""
        host = self.host
        if done is not None:
            self.done, self.has_told_done = done, True
        if total is not None:
            self.total, self.has_told_total = total, True
        if host is None or host.slot is None or host.forks != ForkCount.value:
            return
        try:
            if note == self.note:
                host.slot.set_progress(self.since, self.done, self.total)
            elif host.slot.set_progress(self.since, self.done, self.total, note):
                self.note = note
        except Exception:  # of any class: they are objects of the task
            self.write_odd_progress(note)

    def write_progress(self) -> None:
        """Write how far it is into the slot."""
        if slot := self.writable_slot:
            slot.set_progress(self.since, self.done, self.total)

    def write_odd_progress(self, note: Any) -> None:
        """Write how far it is, as far as that can be understood."""
        self.done, self.total = self.as_number(self.done), self.as_number(self.total)
        told, slot = safe_str(note), self.writable_slot
        if slot and slot.set_progress(self.since, self.done, self.total, told):
            self.note = told

    def as_number(self, value: Any) -> float:
        """Return a value as a number, a text too; NaN where it is none, which is logged once."""
        try:
            return float(value)
        except Exception as error:
            self.log_once(
                "'%s' says that it has done %s, which is no number: %s",
                *(self.package["name"], represent(value, 100), safe_str(error)),
            )
            return math.nan

    def write_position(self, data: bytes) -> None:
        """Write how far its loops have got into the slot, where the sentinel finds it."""
        if not self.may_write:
            return
        slot = self.writable_slot
        if len(data) <= slot.loops.size:
            slot.set_loop_position(self.since, data)
        else:
            self.log_once(
                "'%s' goes on from an earlier item if its worker dies now: how far its loops have "
                "got takes %s bytes, and there is room for %s",
                *(self.package["name"], len(data), slot.loops.size),
            )

    def log_once(self, text: str, *values: Any) -> None:
        """Log what it has done wrong, the first time alone."""
        if not self.has_logged:
            self.has_logged = True
            logger.warning(text, *values)

    @property
    def cancellation(self) -> str | None:
        """Who has cancelled it; None where nobody has."""
        return self.host.cancellation(self) if self.host else None

    def raise_if_cancelled(self) -> None:
        """Raise ``TaskCancelled`` if it is cancelled."""
        if text := self.cancellation:
            self.is_cancelled = True
            raise TaskCancelled(text)

    def raise_if_stopping(self) -> None:
        """Raise ``TaskStopped`` if its cluster stops."""
        if self.host and self.host.is_stopping:
            self.is_stopped = True
            raise TaskStopped("The cluster stops. The task goes on from here in another one.")


#: The run that code belongs to; threads that are started with a copy of the context have it too.
running_task: ContextVar[TaskRun | None] = ContextVar("django_q_running_task", default=None)


def execute_inline(package: TaskPackage) -> BaseException | None:
    """Run a task that no worker runs; to be called in a context of its own."""
    run = TaskRun(package, None, 0.0)
    running_task.set(run)
    uses_own_connections.set(True)
    error = execute_in_caller_context(execute, package)
    if error is not None and (position := run.confirmed_position):
        package["last_position"] = position
    return error
