"""How long a process waits for a server that shall not keep it from anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django_q.exceptions import BrokerUnavailable
from django_q.execution.time_limit import TimeoutHandler
from django_q.servers.connections import interruptible

#: Seconds for one answer.
PATIENCE = 5.0


@contextmanager
def patience() -> Iterator[None]:
    """End a block that asks a server something after ``PATIENCE`` seconds. Main thread only.

    Raises ``BrokerUnavailable`` then. A server that hangs goes on taking what it is sent, so
    that no error comes of the connection itself.
    """
    with interruptible(), Patience(PATIENCE):
        yield


class Patience(TimeoutHandler):
    """A time limit that is an ordinary error: for others psycopg first tries to cancel, as long."""

    again = 1.0  # Django connects once more at the end of a transaction that has failed

    def raise_timeout(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        raise BrokerUnavailable(f"no answer came in {self.timeout:.0f} seconds")
