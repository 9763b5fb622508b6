"""Unix signals: what those who start a cluster, or the project, may have changed, and a stop."""

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
#: Those that its processes have to hear of, whoever has blocked them before.
NEEDED_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGCHLD")
    if hasattr(signal, name)
)


def enable_child_exit_codes() -> None:
    """Have the kernel keep the exit codes of children, for those who started them.

    It keeps none while SIGCHLD is ignored, as a parent of ours or the project may have it, and a
    handler of the project may take them all.
    """
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def unblock_needed_signals() -> None:
    """Let those signals come that a process of a cluster needs: a mask is inherited."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NEEDED_SIGNALS)


def exit_on_stop_signals() -> None:
    """Have a signal that stops clusters end this process well, as nothing has begun yet."""
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, exit_immediately)
        unblock_needed_signals()


def exit_immediately(signum: int, frame: FrameType | None) -> None:
    """End without a cluster, which was to be started; the handler of a Unix signal."""
    os._exit(0)


@contextlib.contextmanager
def collected_stop_signals(arrived: queue.SimpleQueue[int]) -> Iterator[socket.socket]:
    """Collect SIGTERM and SIGINT while the block runs; gives a socket that then is readable.

    The handler does no more than note the number: anything else could wait for what it
    interrupted.
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
