"""The pids of a cluster, for the main process when the sentinel has ended or stands still."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.descriptor_wait import wait_until_readable
from django_q.processes.shared_state.liveness import LivenessTimestamp


class ProcessTable:
    """The sentinel's liveness, and the pids of its processes; only the sentinel writes it."""

    def __init__(
        self, size: int, liveness: LivenessTimestamp | None = None, pids: Any = None
    ) -> None:
        self.size = size
        self.liveness = liveness or LivenessTimestamp()
        self.pids = pids or RawArray("q", size)

    def __reduce__(self) -> tuple:
        return ProcessTable, (self.size, self.liveness, self.pids)

    def remaining_processes(self) -> list[RemainingProcess]:
        """List the processes that had not ended when the sentinel last wrote."""
        return [RemainingProcess(pid) for pid in self.pids if pid]


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
