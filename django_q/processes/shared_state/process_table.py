"""The processes of a cluster as those that start them see them, in memory that others read.

The main process reads the pids when the sentinel has ended or stands still, and the process that
answers probes reads who is missing, and for how long.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.descriptor_wait import wait_until_readable
from django_q.processes.shared_state.liveness import LivenessTimestamp

#: A process that ends within so many seconds has failed to start: the next start is delayed.
FAILED_START_SECONDS = 5.0


class ProcessEntry(ctypes.Structure):
    """One process as its parent last saw it, and since when it is missing. Times are monotonic."""

    _fields_ = (
        ("pid", ctypes.c_int64),  # 0: none runs
        ("started_at", ctypes.c_double),
        # When the latest process ended that had not failed to start, or the parent began; infinite
        # for one that has stopped and is not replaced.
        ("missing_since", ctypes.c_double),
        ("exit_code", ctypes.c_int64),  # of the latest; a Unix signal below 0; 0: 0, or unknown
        ("failed_starts", ctypes.c_int64),  # in a row
    )

    def note_start(self, pid: int) -> None:
        """Note that a process was started."""
        self.started_at = time.monotonic()
        self.pid = pid  # last: whoever reads this takes it for one that has just started

    def note_end(self, exit_code: int | None, failed_starts: int, is_needed: bool = True) -> None:
        """Note that it has ended, or could not be started.

        If it has failed to start, it is missing since the one before has ended.
        """
        self.exit_code, self.failed_starts = exit_code or 0, failed_starts
        if not is_needed:
            self.missing_since = float("inf")
        elif not failed_starts:
            self.missing_since = time.monotonic()
        self.pid = 0

    def has_started(self, now: float) -> bool:
        """Whether a process runs that has not failed to start."""
        return self.pid > 0 and now - self.started_at >= FAILED_START_SECONDS

    def missing_seconds(self, now: float) -> float:
        """Return for how long none has run that had not failed to start; 0 while one does.

        Negative for one that has stopped and is not replaced.
        """
        return 0.0 if self.has_started(now) else now - self.missing_since


class ProcessTable:
    """The liveness of a process that starts others, and an entry for each; only it writes them."""

    def __init__(
        self, names: Sequence[str], liveness: LivenessTimestamp | None = None, entries: Any = None
    ) -> None:
        self.names = tuple(names)
        self.liveness = liveness or LivenessTimestamp()
        self.entries = entries or RawArray(ProcessEntry, len(names))
        if not entries:
            for entry in self.entries:
                entry.missing_since = time.monotonic()

    def __reduce__(self) -> tuple:
        return ProcessTable, (self.names, self.liveness, self.entries)

    def entry(self, name: str) -> ProcessEntry:
        """Return the entry of a process."""
        return self.entries[self.names.index(name)]

    def change_owner(self) -> None:
        """Note that all processes have ended with the one that wrote this, and another comes."""
        now = time.monotonic()
        for entry in self.entries:
            entry.note_end(None, 0 if entry.has_started(now) else max(1, entry.failed_starts))
        self.liveness.clear()

    def remaining_processes(self) -> list[RemainingProcess]:
        """List the processes that had not ended when this was last written."""
        return [RemainingProcess(entry.pid) for entry in self.entries if entry.pid]


class RemainingProcess:
    """A process of a cluster whose sentinel is gone: the main process ends it, not its parent."""

    def __init__(self, pid: int) -> None:
        self.pid, self.exit_descriptor = pid, -1
        self.has_exited = False
        try:
            if hasattr(os, "pidfd_open"):
                self.exit_descriptor = os.pidfd_open(pid)
            else:
                os.kill(pid, 0)
        except OSError:
            self.has_exited = True

    def has_ended(self) -> bool:
        """Whether the process has ended; closes its descriptor then."""
        if not self.has_exited:
            if self.exit_descriptor < 0:
                self.has_exited = not process_exists(self.pid)
            elif wait_until_readable([self.exit_descriptor], 0):
                self.has_exited = True
                os.close(self.exit_descriptor)
        return self.has_exited

    def kill(self) -> None:
        """Kill the process. Without pidfd, another process could have got its pid by now."""
        with contextlib.suppress(OSError):
            if self.exit_descriptor >= 0:
                signal.pidfd_send_signal(self.exit_descriptor, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)


def process_exists(pid: int) -> bool:
    """Whether there is a process with this pid that this one may signal."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
