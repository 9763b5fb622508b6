"""A time limit on calls to servers, for processes that must not be held up by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django_q.execution.time_limit import CallTimeout
from django_q.servers.connections import interruptible_psycopg2

#: Seconds that such a call may take.
CALL_TIMEOUT_SECONDS = 5.0


@contextmanager
def call_timeout() -> Iterator[None]:
    """Limit the time of a block that calls a server: ``BrokerUnavailable`` after five seconds.

    For the main thread only. A server that hangs may still accept what it is sent, so the
    connection itself raises no error.
    """
    with interruptible_psycopg2(), CallTimeout(CALL_TIMEOUT_SECONDS):
        yield
