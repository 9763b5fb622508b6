"""Work that threads leave to the main thread, where alone a call can have a time limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import Pipe
from threading import Lock
from typing import Any

from django_q.exceptions import contain_error

#: Seconds that a thread waits for the main thread, which may be at work for another one.
WORK_SECONDS = 30.0


class MainThreadWork:
    """What the main thread is to do, by which threads wait for it, and how it is told."""

    def __init__(self) -> None:
        #: Can be read when there is something to do.
        self.bell, self.ring = Pipe(duplex=False)
        self.lock = Lock()
        self.asked: dict[Callable[[], Any], Future] = {}

    def ask(self, work: Callable[[], Any]) -> Any:
        """Return what the main thread gets by some work: once for all who ask before it begins.

        Raises what the work raises, and ``TimeoutError``.
        """
        with self.lock:
            if work not in self.asked:
                self.asked[work] = Future()
                self.ring.send_bytes(b"")
            future = self.asked[work]
        return future.result(WORK_SECONDS)

    def do_asked(self) -> None:
        """Do what threads wait for; in the main thread, when ``bell`` can be read."""
        self.bell.recv_bytes()
        with self.lock:
            asked, self.asked = self.asked, {}
        for work, future in asked.items():
            try:
                future.set_result(work())
            except BaseException as error:  # a custom broker may raise anything
                contain_error(error)
                future.set_exception(error)

    def close(self) -> None:
        """Close the bell."""
        self.bell.close()
        self.ring.close()
