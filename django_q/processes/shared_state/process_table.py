"""What the main process sees of a cluster whose sentinel is gone, or stands still."""

from __future__ import annotations

import contextlib
import os
import signal
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.descriptor_wait import readable
from django_q.processes.shared_state.liveness import Pulse


class Board:
    """The sentinel's pulse, and the processes that it has started; it alone writes to it."""

    def __init__(self, size: int, pulse: Pulse | None = None, pids: Any = None) -> None:
        self.size = size
        self.pulse = pulse or Pulse()
        self.pids = pids or RawArray("q", size)

    def __reduce__(self) -> tuple:
        return Board, (self.size, self.pulse, self.pids)

    def members(self) -> list[Member]:
        """List the processes that the sentinel has not seen the end of."""
        return [Member(pid) for pid in self.pids if pid]


class Member:
    """A process of a cluster, in the hands of one that has not started it."""

    def __init__(self, pid: int) -> None:
        self.pid, self.death = pid, -1
        self.is_gone = False
        try:
            if hasattr(os, "pidfd_open"):
                self.death = os.pidfd_open(pid)
            else:
                os.kill(pid, 0)
        except OSError:
            self.is_gone = True

    def has_ended(self) -> bool:
        """Whether it has ended."""
        if not self.is_gone:
            if self.death < 0:
                self.is_gone = not exists(self.pid)
            elif readable([self.death], 0):
                self.is_gone = True
                os.close(self.death)
        return self.is_gone

    def kill(self) -> None:
        """End it; of another process that has got its number nothing is known here."""
        with contextlib.suppress(OSError):
            if self.death >= 0:
                signal.pidfd_send_signal(self.death, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)


def exists(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
