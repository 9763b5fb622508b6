"""A time limit on what servers and receivers may take of an evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django_q.exceptions import DjangoQError
from django_q.execution.time_limit import TimeoutHandler
from django_q.servers.connections import interruptible_psycopg2


class AlertTimeout(DjangoQError):
    """Raised when a server, or a receiver of an alert, does not answer in time."""


class AlertTimeLimit(TimeoutHandler):
    """Raises ``AlertTimeout``, again and again where the block does not end."""

    repeat_seconds = 1.0

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Raise ``AlertTimeout``; the handler of SIGALRM."""
        raise AlertTimeout(f"no answer came in {self.timeout:g} seconds")


@contextmanager
def alert_time_limit(seconds: float) -> Iterator[None]:
    """Limit the time of a block. In a thread other than the main one there is no limit."""
    is_main = threading.current_thread() is threading.main_thread()
    with interruptible_psycopg2(), AlertTimeLimit(seconds if is_main else None):
        yield
