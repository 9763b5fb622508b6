"""Limit how long a process takes to exit: Python waits for threads that tasks or hooks left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from types import FrameType

from django_q.conf import logger
from django_q.execution.time_limit import HAS_SETITIMER

#: Seconds for which such threads and processes may go on when all other work is done.
EXIT_TIMEOUT = 5.0


def limit_exit_time() -> None:
    """Make this process exit within ``EXIT_TIMEOUT`` seconds, whatever it waits for."""
    if HAS_SETITIMER:
        signal.signal(signal.SIGALRM, exit_without_waiting)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
        signal.setitimer(signal.ITIMER_REAL, EXIT_TIMEOUT)


def exit_without_waiting(signum: int, frame: FrameType | None) -> None:
    """Exit at once, and log what still ran; the handler of SIGALRM."""
    try:
        logger.warning(
            "%s ends without what was left running in it: %s",
            multiprocessing.current_process().name,
            ", ".join(running_threads_and_processes()) or "nothing that Python knows of",
        )
    finally:
        os._exit(0)


def running_threads_and_processes() -> list[str]:
    """Name the threads and child processes that Python waits for before a process exits."""
    main = threading.main_thread()
    threads = [each for each in threading.enumerate() if not each.daemon and each is not main]
    names = [f"thread '{thread.name}'" for thread in threads]
    return names + [f"process {child.pid}" for child in multiprocessing.active_children()]
