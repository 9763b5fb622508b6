"""The sentinel as the main process sees it: it lives, stands still, or has ended."""

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
from django_q.processes.shared_state.process_table import ProcessTable, RemainingProcess
from django_q.processes.supervision import process_start
from django_q.queues import Flag

#: Seconds between two looks at the sentinel, and while it stops.
SENTINEL_CHECK_INTERVAL, STOPPING_CHECK_INTERVAL = 5.0, 0.2
#: Seconds in which a sentinel shows no sign of life before it is killed. It waits for a server for
#: five at a time, and in C code, where nothing ends that, for the address of one.
SENTINEL_STALL_SECONDS, STOPPING_STALL_SECONDS = 40.0, 15.0
#: Seconds past ``stop_timeout`` that a sentinel has for the rest of a stop, and that the processes
#: have to end which it leaves behind.
STOP_GRACE, REMAINING_PROCESSES_GRACE = 45.0, 5.0
#: Seconds for which the kernel may take to end a process that was killed.
KILLED_EXIT_SECONDS = 1.0
#: Seconds between two looks where something can not be waited for.
PROCESS_POLL_INTERVAL = 0.05


class SentinelHandle:
    """The process of a sentinel, and what it leaves behind."""

    def __init__(self) -> None:
        self.process: Any = None
        self.exit_descriptor = -1  # descriptor that is readable when the process has ended
        self.started_at = 0.0  # monotonic
        self.process_table = ProcessTable(0)
        self.stall_timer = StallTimer(self.process_table.liveness)
        self.remaining_processes: list[
            RemainingProcess
        ] = []  # what it had started when it was killed
        self.stop_by = math.inf  # monotonic; when tasks have to be over
        self.aborted = False  # whether they have to be over at once

    def spawn(
        self,
        events: tuple,
        cluster_id: UUID,
        timeout: float | None,
        broker: Broker,
        parent_flag: Flag,
    ) -> None:
        """Start the process, and do not wait for it."""
        broker.close()
        self.process_table = ProcessTable(Conf.WORKERS + len(process_start.SINGLE_PROCESS_ROLES))
        self.stall_timer, self.remaining_processes = StallTimer(self.process_table.liveness), []
        self.process = process_start.start_process(
            "django_q.processes.sentinel_body.sentinel",
            (*events, cluster_id, timeout, self.process_table),
            process_start.SENTINEL,
            parent_flag,
            args_after_setup=(broker,),
        )
        self.started_at = time.monotonic()
        try:
            self.exit_descriptor = process_start.open_exit_descriptor(self.process)
        except OSError:
            self.process.kill()  # nobody would hear of its end
            self.process.join()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the process lives; the kernel says so, whoever has taken its exit code."""
        return self.exit_descriptor >= 0 and not wait_until_readable([self.exit_descriptor], 0)

    def note_end(self) -> None:
        """Note that the process has ended."""
        if self.process.is_alive():  # not known yet, or never: somebody has taken its exit code
            self.process.join(KILLED_EXIT_SECONDS)
        if self.exit_descriptor >= 0:
            os.close(self.exit_descriptor)
            self.exit_descriptor = -1

    def note_stop(self) -> None:
        """Note that its cluster has to stop from now on."""
        if self.stop_by == math.inf:
            self.stop_by = time.monotonic() + Conf.STOP_TIMEOUT

    def note_abort(self) -> None:
        """Note that tasks have to be over at once."""
        self.stop_by, self.aborted = time.monotonic(), True

    def kill_stalled(self) -> None:
        """Kill the process where it stands still, or has not stopped its cluster in time."""
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
        self.remaining_processes = (
            self.process_table.remaining_processes()
        )  # as long as nobody else can get their numbers
        self.process.kill()
        wait_until_readable([self.exit_descriptor], KILLED_EXIT_SECONDS)

    def end_remaining_processes(self, handle_signals: Callable[[], None]) -> None:
        """Have the processes that it left behind end in time, as it would have."""
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
