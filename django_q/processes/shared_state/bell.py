"""A bell: processes ring it, and the one that waits for it is woken."""

from __future__ import annotations

import contextlib
import socket

from django_q.queues import Flag

#: Bytes that are read at once of those that were sent to ring.
RING_BYTES = 4096


class Bell(Flag):
    """A flag that can be set again and again; ``set`` never waits."""

    def clear(self) -> None:
        """Note that it was heard."""
        with contextlib.suppress(OSError):
            while len(self.reader.recv(RING_BYTES, socket.MSG_DONTWAIT)) == RING_BYTES:
                pass
