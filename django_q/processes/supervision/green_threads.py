"""Detect green threads: libraries that patch how Python waits, with which no cluster can run."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

#: Libraries that patch sockets, threads and ``time.sleep``.
GREEN_THREAD_LIBRARIES = ("gevent", "eventlet")


def patched_by() -> str | None:
    """Name the library that has patched the functions by which a cluster waits; None without."""
    parts = (time.sleep, socket.socket, select.select, os.fork, threading.Thread.start)
    parts += (threading.Lock, getattr(threading, "_start_new_thread", None))
    for part in parts:
        library = (getattr(part, "__module__", None) or "").split(".")[0]
        if library in GREEN_THREAD_LIBRARIES:
            return library
    return None


def refuse_patched() -> None:
    """Raise ``RuntimeError`` if this process is patched: a cluster would hang in it."""
    if library := patched_by():
        raise RuntimeError(
            f"A cluster can not run in a process that {library} has patched: its processes wait "
            "for each other and for the kernel, and would wait for ever. Expected Python's own "
            f"sockets, threads and signals: start it without {library}'s monkey-patching, for "
            "which settings are a common place. Tasks can be enqueued from patched processes."
        )
