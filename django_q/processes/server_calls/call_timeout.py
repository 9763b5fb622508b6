"""A time limit on calls to servers, for processes that must not be held up by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django_q.exceptions import BrokerUnavailable
from django_q.execution.time_limit import TimeoutHandler
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


class CallTimeout(TimeoutHandler):
    """A time limit that raises an ordinary error: at others psycopg waits to cancel its query."""

    repeat_seconds = 1.0  # Django may connect again, and wait, at the end of a failed transaction

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Raise ``BrokerUnavailable``; the handler of SIGALRM."""
        raise BrokerUnavailable(f"no answer came in {self.timeout:.0f} seconds")
