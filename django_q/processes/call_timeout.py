"""How long a process waits for a server that shall not keep it from anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django_q.exceptions import BrokerUnavailable
from django_q.execution.time_limit import TimeoutHandler
from django_q.servers.connections import interruptible_psycopg2

#: Seconds for one answer.
CALL_TIMEOUT_SECONDS = 5.0


@contextmanager
def call_timeout() -> Iterator[None]:
    """End a block that asks a server something after ``CALL_TIMEOUT_SECONDS``.

    Raises ``BrokerUnavailable`` then. For the main thread only. A server that hangs goes on taking
    what it is sent, so that no error comes of the connection itself.
    """
    with interruptible_psycopg2(), CallTimeout(CALL_TIMEOUT_SECONDS):
        yield


class CallTimeout(TimeoutHandler):
    """A time limit that is an ordinary error: for others psycopg first tries to cancel, as long."""

    again = 1.0  # Django connects once more at the end of a transaction that has failed

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        raise BrokerUnavailable(f"no answer came in {self.timeout:.0f} seconds")
