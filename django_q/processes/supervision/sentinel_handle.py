"""The process of the sentinel as the main process sees it: alive, stalled, or ended."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.processes.shared_state.liveness import StallTimer
from django_q.processes.shared_state.process_table import (
    FAILED_START_SECONDS,
    ProcessTable,
    RemainingProcess,
)
from django_q.processes.supervision import process_start
from django_q.queues import Flag

#: Seconds between two checks of the sentinel, and while it stops.
SENTINEL_CHECK_INTERVAL, STOPPING_CHECK_INTERVAL = 5.0, 0.2
#: Seconds without a beat after which a sentinel is killed, and while it stops. It may wait five
#: seconds at a time for a server, and longer in C code that looks up the address of one, where
#: nothing interrupts it.
SENTINEL_STALL_SECONDS, STOPPING_STALL_SECONDS = 40.0, 15.0
#: Seconds after ``stop_timeout`` in which a sentinel must finish its stop, and the least seconds in
#: which the processes that it leaves behind must end.
STOP_GRACE, REMAINING_PROCESSES_GRACE = 45.0, 5.0
#: Seconds for which the kernel may take to end a process that was killed.
KILLED_EXIT_SECONDS = 1.0
#: Seconds between two checks of processes that can not be waited for.
PROCESS_POLL_INTERVAL = 0.05
#: Seconds before a sentinel that ended unexpectedly is replaced: at first, and at most.
SENTINEL_BACKOFF_SECONDS = (0.5, 30.0)


class SentinelRestart:
    """When another sentinel starts in place of one that has ended: later each time."""

    def __init__(self) -> None:
        self.due = 0.0  # monotonic
        self.delay = SENTINEL_BACKOFF_SECONDS[0]  # seconds; the next one

    def postpone(self) -> None:
        """Set when the next sentinel starts, and let the one after that start later."""
        self.due = time.monotonic() + self.delay
        self.delay = min(self.delay * 2, SENTINEL_BACKOFF_SECONDS[1])

    def delay_after(self, exitcode: int | None, started_at: float) -> None:
        """Log that a sentinel has ended, and set when the next one starts.

        ``started_at`` is monotonic: one that has lived for long is replaced soon.
        """
        if time.monotonic() - started_at > SENTINEL_BACKOFF_SECONDS[1]:
            self.delay = SENTINEL_BACKOFF_SECONDS[0]
        text = "the sentinel ended with code %s; another starts in %.1f seconds"
        logger.critical(text, exitcode, self.delay)
        self.postpone()


class SentinelHandle:
    """The process of a sentinel, and the processes that it leaves behind when it is killed."""

    def __init__(self, main_table: ProcessTable, process_table: ProcessTable) -> None:
        self.entry = main_table.entry(process_start.SENTINEL)  # which this process writes
        self.process_table = process_table  # which the sentinel writes
        self.process: Any = None
        self.exit_descriptor = -1  # readable when the process has ended
        self.started_at = 0.0  # monotonic
        self.stall_timer = StallTimer(self.process_table.liveness)
        # Those of the sentinel when it was killed.
        self.remaining_processes: list[RemainingProcess] = []
        self.stop_by = math.inf  # monotonic; when tasks must have ended
        self.aborted = False  # whether tasks must end at once

    def spawn(
        self,
        events: tuple,
        cluster_id: UUID,
        timeout: float | None,
        broker: Broker,
        parent_flag: Flag,
    ) -> None:
        """Start the process of the sentinel, without waiting for the cluster to run."""
        broker.close()
        self.process_table.change_owner()
        self.stall_timer, self.remaining_processes = StallTimer(self.process_table.liveness), []
        self.process = process_start.start_process(
            "django_q.processes.sentinel_body.sentinel",
            (*events, cluster_id, timeout, self.process_table),
            process_start.SENTINEL,
            parent_flag,
            args_after_setup=(broker,),
        )
        self.started_at = time.monotonic()
        self.entry.note_start(self.process.pid)
        try:
            self.exit_descriptor = process_start.open_exit_descriptor(self.process)
        except OSError:
            self.process.kill()  # nothing would notice its end
            self.process.join()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the process is alive, also where other code has taken its exit code."""
        return self.exit_descriptor >= 0 and not wait_until_readable([self.exit_descriptor], 0)

    @property
    def latest_beat(self) -> float:
        """The time of the sentinel's latest beat, monotonic; 0 before the first."""
        return self.process_table.liveness.latest

    def note_end(self) -> None:
        """Note that the process has ended, and close its descriptor."""
        if self.process.is_alive():  # not known to Python yet; never, if its exit code was taken
            self.process.join(KILLED_EXIT_SECONDS)
        if self.exit_descriptor >= 0:
            os.close(self.exit_descriptor)
            self.exit_descriptor = -1
            has_failed = time.monotonic() - self.started_at < FAILED_START_SECONDS
            failed_starts = self.entry.failed_starts + 1 if has_failed else 0
            self.entry.note_end(self.process.exitcode, failed_starts)

    def note_stop(self) -> None:
        """Note that the cluster is to stop: its time for that begins now."""
        if self.stop_by == math.inf:
            self.stop_by = time.monotonic() + Conf.STOP_TIMEOUT

    def note_abort(self) -> None:
        """Note that tasks must end at once."""
        self.stop_by, self.aborted = time.monotonic(), True

    def kill_stalled(self) -> None:
        """Kill the process if it has stalled, or has not stopped its cluster in time."""
        now = time.monotonic()
        seconds = self.stall_timer.measure(now, 2 * SENTINEL_CHECK_INTERVAL)
        if seconds > (
            SENTINEL_STALL_SECONDS if self.stop_by == math.inf else STOPPING_STALL_SECONDS
        ):
            logger.critical("the sentinel has stood still for %.0f s and is killed", seconds)
        elif now > self.stop_by + STOP_GRACE:
            logger.critical("the sentinel did not end in time and is killed")
        else:
            return
        # Before the sentinel is killed: afterwards, other processes may get these pids.
        self.remaining_processes = self.process_table.remaining_processes()
        self.process.kill()
        wait_until_readable([self.exit_descriptor], KILLED_EXIT_SECONDS)

    def end_remaining_processes(self, handle_signals: Callable[[], None]) -> None:
        """Wait for the processes that the sentinel left behind, and kill those that do not end."""
        if not self.remaining_processes and self.process.exitcode != 0:
            self.remaining_processes = self.process_table.remaining_processes()
        at_least = time.monotonic() + REMAINING_PROCESSES_GRACE
        while left := [member for member in self.remaining_processes if not member.has_ended()]:
            handle_signals()
            if time.monotonic() > (self.stop_by if self.aborted else max(self.stop_by, at_least)):
                logger.warning("%s processes did not end in time and are killed", len(left))
                for member in left:
                    member.kill()
                break
            time.sleep(PROCESS_POLL_INTERVAL)
