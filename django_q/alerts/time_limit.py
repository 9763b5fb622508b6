"""A time limit on what servers and receivers may take of an evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django_q.exceptions import DjangoQError
from django_q.execution.time_limit import CallTimeout
from django_q.servers.connections import interruptible_psycopg2


class AlertTimeout(DjangoQError):
    """Raised when a server, or a receiver of an alert, does not answer in time."""


@contextmanager
def alert_time_limit(seconds: float) -> Iterator[None]:
    """Limit the time of a block. In a thread other than the main one there is no limit."""
    is_main = threading.current_thread() is threading.main_thread()
    with interruptible_psycopg2(), CallTimeout(seconds if is_main else None, AlertTimeout):
        yield
