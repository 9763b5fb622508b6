"""Green threads: a library that has put its own waiting in the place of Python's."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

#: Libraries that do so.
GREEN_THREAD_LIBRARIES = ("gevent", "eventlet")


def patched_by() -> str | None:
    """Name the library that has patched what a cluster waits with; None where nobody has."""
    parts = (time.sleep, socket.socket, select.select, os.fork, threading.Thread.start)
    parts += (threading.Lock, getattr(threading, "_start_new_thread", None))
    for part in parts:
        library = (getattr(part, "__module__", None) or "").split(".")[0]
        if library in GREEN_THREAD_LIBRARIES:
            return library
    return None


def refuse_patched() -> None:
    """Raise ``RuntimeError`` where a cluster could not work."""
    if library := patched_by():
        raise RuntimeError(
            f"A cluster can not run in a process that {library} has patched: its processes wait "
            "for each other and for the kernel, and would wait for ever. Expected Python's own "
            f"sockets, threads and signals: start it without {library}'s monkey-patching, for "
            "which settings are a common place. Tasks can be enqueued from patched processes."
        )
