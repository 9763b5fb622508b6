"""One process of a cluster as its sentinel sees it, and its successors."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django_q.completion.orphans import OrphanedDeliveries
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.execution.run_details import process_name
from django_q.foreign_code.optional_packages import prometheus_multiprocess
from django_q.processes.shared_state.foreign_call_record import ForeignCallRecord
from django_q.processes.shared_state.liveness import LivenessTimestamp, StallTimer, stall_limit
from django_q.processes.shared_state.process_table import FAILED_START_SECONDS, ProcessEntry
from django_q.processes.shared_state.slot import HeldDeliveries, Slot, WorkerState
from django_q.processes.shared_state.task_label import read_label
from django_q.processes.supervision.process_start import open_exit_descriptor
from django_q.task_logs.entry import LogEntry
from django_q.task_logs.ring import LogRing
from django_q.wire.heartbeat_format import MAX_PROGRESS, RUNNING_KEYS

#: What a worker did last that has ended because of a task, or to be recycled.
ENDED_BY_TASK = (
    *(WorkerState.RECYCLED, WorkerState.TIMED_OUT, WorkerState.CANCELLED, WorkerState.BUSY),
)
#: Seconds before a process that has failed to start is started again: at first, and at most.
RESTART_BACKOFF_SECONDS = (0.5, 30.0)
#: Seconds for which the kernel may take to end a process that was killed.
KILLED_EXIT_SECONDS = 1.0
#: Seconds for which a fork server may take to pass on an exit code.
EXIT_CODE_SECONDS = 0.2


class CancelOrder(NamedTuple):
    """An order to end a task, as its worker was told."""

    since: float  # when the task began, by which the slot tells it from others
    text: str  # who has cancelled it
    told_at: float  # monotonic


@dataclass
class Child:
    """A worker or another process of the sentinel, and the record of how it ran."""

    role: str
    slot: Slot | None = None  # of a worker
    number: int | None = None  # of a worker, from 1
    log_ring: LogRing | None = None  # of a worker, where the logs of tasks are kept
    #: The foreign code that its process is calling.
    running_code: ForeignCallRecord = field(default_factory=ForeignCallRecord)
    process: Any = None
    exit_descriptor: int = -1  # readable when the process has ended
    is_running: bool = False
    started_at: float = 0.0  # monotonic
    due: float = 0.0  # monotonic; when the next process may start, once this one has ended
    failed_starts: int = 0  # in a row
    timed_out: bool = False  # it was killed because its task exceeded the time limit
    retired: bool = False  # it is to end, and is not replaced
    stopped: bool = False  # it was killed because the cluster had to stop
    cancel: CancelOrder | None = None  # the order that its task was told last
    killed_since: float | None = None  # when the task began for the sake of which it was killed
    stalled_seconds: float = 0.0  # how long it had stood still when it was killed for that
    liveness: LivenessTimestamp | None = None  # of a process that has no slot

    def __post_init__(self) -> None:
        self.stall_timer = StallTimer(self.liveness) if self.liveness else None

    @property
    def name(self) -> str:
        """The name of its process."""
        return f"{self.role}-{self.number}" if self.number else self.role

    def record_start(self, process: Any) -> None:
        """Note the process that was started, and open its exit descriptor."""
        self.process, self.started_at = process, time.monotonic()
        try:
            self.exit_descriptor = open_exit_descriptor(process)
        except OSError:
            process.kill()  # nothing would notice its end
            process.join()
            raise
        self.is_running, self.timed_out, self.stalled_seconds = True, False, 0.0
        self.cancel = self.killed_since = None

    def has_ended(self) -> bool:
        """Whether the process has ended.

        The exit descriptor tells that even if other code has waited for the process and taken its
        exit code. A process whose fork server was killed counts as dead in Python while it still
        runs: it is killed here, or it would go on beside its successor.
        """
        has_ended = wait_until_readable([self.exit_descriptor], 0)
        if self.process.is_alive():
            if not has_ended:
                return False
            self.process.join(EXIT_CODE_SECONDS)
        if hasattr(signal, "pidfd_send_signal"):
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.exit_descriptor, signal.SIGKILL)
                wait_until_readable([self.exit_descriptor], KILLED_EXIT_SECONDS)
        return True

    def record_failed_start(self, error: Exception) -> None:
        """Note that no process could be started, and when the next try is due."""
        self.process = None
        self.delay_restart(self.failed_starts + 1)
        logger.critical(
            "%s can not be started, trying again in %.1f seconds: %r",
            self.name,
            self.restart_delay(),
            error,
        )

    def record_exit(self) -> None:
        """Note that the process has ended, and when the next may start."""
        os.close(self.exit_descriptor)
        self.delay_restart(self.failed_starts + 1 if self.has_failed else 0)
        self.is_running = False
        if self.slot:
            self.slot.reset()
        if self.liveness:
            self.liveness.clear()
        if prometheus_multiprocess and self.number:
            with contextlib.suppress(OSError):  # other code may have removed its files
                prometheus_multiprocess.mark_process_dead(self.process.pid)

    def publish(self, entry: ProcessEntry, is_needed: bool = True) -> None:
        """Write where other processes read it whether this one runs, or how it ended."""
        if self.is_running:
            entry.note_start(self.process.pid)
        else:
            exit_code = self.process.exitcode if self.process else None
            entry.note_end(exit_code, self.failed_starts, is_needed)

    def delay_restart(self, failed_starts: int) -> None:
        """Set when the next process may start, after so many failed starts in a row."""
        self.failed_starts = failed_starts
        self.due = time.monotonic() + self.restart_delay()

    def restart_delay(self) -> float:
        """Return the seconds before the next start; 0 after one failure, which may be chance."""
        return (
            min(
                RESTART_BACKOFF_SECONDS[0] * 2 ** (self.failed_starts - 2),
                RESTART_BACKOFF_SECONDS[1],
            )
            if self.failed_starts > 1
            else 0.0
        )

    @property
    def state(self) -> WorkerState | None:
        """What a worker does or did; None for other processes."""
        return self.slot.state if self.slot else None

    @property
    def is_explained(self) -> bool:
        """Whether the process ended because of a task, or to be recycled."""
        return self.state in ENDED_BY_TASK

    @property
    def ran_out_of_time(self) -> bool:
        """Whether the process ended because its task exceeded the time limit."""
        return self.timed_out or self.state is WorkerState.TIMED_OUT

    @property
    def was_cancelled(self) -> bool:
        """Whether the process ended because its task was cancelled while it ran."""
        if self.state is WorkerState.CANCELLED:
            return True
        return self.state is WorkerState.BUSY and self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Whether its worker was told to end the task that it began last."""
        return self.cancel is not None and self.slot.is_since(self.cancel.since)  # type: ignore[union-attr]

    def cause(self) -> str:
        """Describe how the process ended, and in which foreign code."""
        if self.was_cancelled:
            return "cancellation"
        if self.stalled_seconds:
            return f"standing still for {self.stalled_seconds:.1f} seconds{self.code_location()}"
        code = self.process.exitcode
        where = self.code_location()
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return f"death by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}{where}"
        return "its end" if code is None else f"its exit with code {code}{where}"

    def code_location(self) -> str:
        """Describe the foreign code that the process is calling, as " in ..."; empty without."""
        what = self.running_code.as_text()
        return f" in {what}" if what else ""

    def report(self, cause: str, is_replaced: bool = True) -> None:
        """Log that the process ended without being asked to, and whether another is started."""
        if not is_replaced:
            logger.warning("%s ended at the stop after %s", self.name, cause)
            return
        is_expected = cause in ("timeout", "cancellation")
        level = logging.WARNING if is_expected else logging.CRITICAL
        wait = self.restart_delay()
        delay = f"; it fails to start, the next one waits {wait} seconds" if wait else ""
        logger.log(level, "reincarnated %s after %s%s", self.name, cause, delay)

    @property
    def has_failed(self) -> bool:
        """Whether the process failed to start: it ended soon, and not because of a task."""
        return time.monotonic() - self.started_at < FAILED_START_SECONDS and not self.is_explained

    def orphaned_deliveries(self) -> OrphanedDeliveries | None:
        """Return the deliveries that a worker held when it ended; None without any."""
        if self.slot is None or self.slot.state is not WorkerState.BUSY:
            return None
        held = self.slot.read()
        if not held.batch:
            return None
        running = held.running if held.since else None
        # The task that it was killed for may have ended just then, and another one begun.
        was_meant = self.killed_since in (None, held.since)
        timed_out = self.timed_out and was_meant
        return OrphanedDeliveries(
            self.death_cause(held, timed_out),
            running=running,
            unfinished=[each for each in held.batch if each != running],
            timed_out=timed_out,
            stopped=self.stopped or not was_meant,
            was_decoding=not held.is_decoded,
            had_succeeded=held.has_succeeded,
            foreign_code=self.running_code.as_text(),
            worker=process_name(self.process.pid),
            begun=time.time() - (time.monotonic() - held.since) if held.since else None,
            position=json.loads(self.slot.loop_position or b"null"),
            cancelled=self.cancel.text if self.cancel and self.is_cancelled() else "",
        )

    def current_log(self) -> LogEntry | None:
        """Return the log of the task that a worker runs, or ran when it ended; None without one."""
        if self.log_ring is None or self.slot.state is not WorkerState.BUSY:  # type: ignore[union-attr]
            return None
        if entry := self.log_ring.read(self.slot.read().since):  # type: ignore[union-attr]
            entry.queue, entry.worker = Conf.CLUSTER_NAME, process_name(self.process.pid)
        return entry

    def death_cause(self, held: HeldDeliveries, timed_out: bool) -> str:
        """Describe what ended a worker while it held deliveries."""
        if self.cancel and self.is_cancelled():
            return f"{self.cancel.text}; the task did not end, and its worker was killed"
        if timed_out:
            what = "Task" if held.is_decoded else "Reading the package"
            return f"{what} exceeded its time limit and its worker was killed"
        activity = "the task ran" if held.is_decoded else "it read the package"
        return f"Worker ended while {activity}: {self.cause()}"

    def label(self) -> tuple[float, dict[str, Any]] | None:
        """Return when the current task began, and what it is; None without one."""
        if self.slot is None or not (text := self.slot.current_label):
            return None
        since = self.slot.read().since
        return (since, read_label(text)) if self.slot.current_label == text else None

    def cancel_task(self, since: float, text: str) -> None:
        """Tell the worker to end the task that began at ``since``, and no other."""
        if self.cancel is None or self.cancel.since != since:
            self.cancel = CancelOrder(since, text, time.monotonic())
        self.slot.cancel(since)  # type: ignore[union-attr]
        with contextlib.suppress(OSError):  # it has ended
            self.send_alarm()

    def ask_for_stack(self, since: float, question: float) -> None:
        """Ask the worker for the stack of the task that began at ``since``."""
        self.slot.ask_for_stack(since, question)  # type: ignore[union-attr]
        with contextlib.suppress(OSError):  # it has ended
            self.send_alarm()

    def send_alarm(self) -> None:
        """Send SIGALRM to the process. Without pidfd, another process could have got its pid."""
        if hasattr(signal, "pidfd_send_signal"):
            with contextlib.suppress(OSError):  # it is no pidfd, as the kernel has none
                signal.pidfd_send_signal(self.exit_descriptor, signal.SIGALRM)
                return
        os.kill(self.process.pid, signal.SIGALRM)

    def kill_if_overdue(self, now: float, grace: float) -> None:
        """Kill a worker that has exceeded a time limit, or did not end a task that is cancelled."""
        # First: then the task that it is killed for is this one, or has ended.
        since = self.slot.read().since if self.slot and self.is_running else 0.0
        if now < self.overdue_at(grace):
            return
        if self.state is WorkerState.BUSY:
            self.killed_since = since
            self.timed_out = not self.is_cancelled()
        self.process.kill()

    def kill_stalled(self, now: float, step: float) -> None:
        """Kill a process that has not shown for too long that it is alive."""
        if self.stall_timer and self.is_running and not self.stalled_seconds:
            seconds = self.stall_timer.measure(now, step)
            if seconds > stall_limit():
                self.stalled_seconds = seconds
                self.process.kill()

    def overdue_at(self, grace: float) -> float:
        """Return when a worker is ``grace`` seconds past what it had to end by, monotonic."""
        if not self.slot or not self.is_running:
            return math.inf
        deadline = self.slot.deadline  # read once: the worker may clear it between two reads
        ends = [deadline] if deadline else []
        if self.cancel and self.state is WorkerState.BUSY and self.is_cancelled():
            ends.append(self.cancel.told_at)
        return min(ends) + grace if ends else math.inf

    def running(self, now: float) -> dict[str, Any] | None:
        """Describe the current task as ``Status.running`` does; None without one."""
        if not (found := self.label()):
            return None
        since, label = found
        known = {name: label[name] for name in RUNNING_KEYS if name in label}
        task = {"pid": self.process.pid, **known, "seconds": now - since}
        if progress := self.slot.progress:  # type: ignore[union-attr]
            done, total, note = progress
            numbers = {"done": shown_number(done), "total": shown_number(total)}
            task.update({name: value for name, value in numbers.items() if value is not None})
            task["note"] = note
        if self.cancel and self.is_cancelled():
            task["cancelled"] = self.cancel.text
        return task


def shown_number(value: float) -> float | None:
    """Return a number of a task's progress, a whole one as int; None for what means nothing."""
    if not 0 <= value < MAX_PROGRESS:
        return None
    return int(value) if value == int(value) else value
