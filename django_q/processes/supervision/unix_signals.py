"""Unix signals: undo what a parent or the project has changed, and collect those that stop."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

#: Unix signals that stop a cluster.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Unix signals that the processes of a cluster need, and unblock if they inherit them blocked.
NEEDED_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGCHLD")
    if hasattr(signal, name)
)


def enable_child_exit_codes() -> None:
    """Make the kernel keep the exit codes of child processes.

    It keeps none while SIGCHLD is ignored, as a parent process or the project may have set it. A
    handler of the project may take them all.
    """
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def unblock_needed_signals() -> None:
    """Unblock the signals that a process of a cluster needs: a signal mask is inherited."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NEEDED_SIGNALS)


def exit_on_stop_signals() -> None:
    """Exit with code 0 at a signal that stops clusters, as long as no cluster has been started."""
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, exit_immediately)
        unblock_needed_signals()


def exit_immediately(signum: int, frame: FrameType | None) -> None:
    """Exit with code 0; the handler of a Unix signal before a cluster was started."""
    os._exit(0)


@contextlib.contextmanager
def collected_stop_signals(arrived: queue.SimpleQueue[int]) -> Iterator[socket.socket]:
    """Collect SIGTERM and SIGINT in ``arrived``; yield a socket that is readable after each.

    The handler only notes the number: anything else could wait for the code that it interrupted.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def note(signum: int, frame: FrameType | None) -> None:
        arrived.put(signum)
        with contextlib.suppress(OSError):
            writer.send(b"1")

    previous = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    children = signal.getsignal(signal.SIGCHLD)
    enable_child_exit_codes()
    unblock_needed_signals()
    try:
        yield reader
    finally:
        for number, handler in [*previous.items(), (signal.SIGCHLD, children)]:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        reader.close()
        writer.close()
