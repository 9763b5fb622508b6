"""TCP ports for the servers of a test run: what is free now, and still is when they start."""

from __future__ import annotations

import contextlib
import random
import socket
import sys

#: Ports of servers: none that the kernel gives to connections, which come and go meanwhile.
PORTS = range(20_000, 30_000)
#: Claims of this process, by port: they end with it.
claims: dict[int, socket.socket] = {}


def free_port() -> int:
    """Find a TCP port that nobody listens on, and that no other test run takes until we do."""
    while True:
        port = random.SystemRandom().choice(PORTS)  # tests seed the other one
        if claim(port):
            return port


def claim(port: int) -> bool:
    """Claim a port among test runs, by a name that only one of them can have; whether it is free.

    A server listens on it later, and once more where it is restarted.
    """
    mark = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError), socket.socket() as probe:
        if sys.platform == "linux":
            mark.bind(f"\0django_q-tests-port-{port}")
        probe.bind(("127.0.0.1", port))
        claims[port] = mark
        return True
    mark.close()
    return False
