"""What a real cluster tells a service manager."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import comes, wait_until

pytestmark = pytest.mark.processes

#: Microseconds of the watchdog.
WATCHDOG_USEC = 1_000_000


class Manager:
    """The socket of a service manager, and all that has come."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.lines: list[str] = []

    def count(self, line: str) -> int:
        """Read what has come, and count how often a line is in all of it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.lines += self.socket.recv(4096).decode().split("\n")
        return self.lines.count(line)

    def await_another(self, line: str) -> None:
        """Wait until a line comes once more."""
        count = self.count(line)
        wait_until(lambda: self.count(line) > count)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Have clusters notify a service manager, which watches them."""
    made = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_USEC))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield made
    made.socket.close()


def test_the_watchdog_hears_of_a_sentinel_that_works_and_of_no_frozen_one(manager, running_cluster):
    cluster = running_cluster(workers=1, timeout=1, retry=4)
    wait_until(lambda: manager.count("READY=1"))
    manager.await_another("WATCHDOG=1")

    sentinel = cluster.kill("sentinel", signal.SIGSTOP)
    comes(lambda: False, WATCHDOG_USEC / 1e6)  # a note of its last beat may be due still
    told = manager.count("WATCHDOG=1")
    told_again = comes(lambda: manager.count("WATCHDOG=1") > told, 2 * WATCHDOG_USEC / 1e6)
    os.kill(sentinel, signal.SIGCONT)

    assert not told_again
    manager.await_another("WATCHDOG=1")
    assert cluster.stop() == 0
    assert manager.count("STOPPING=1") == 1
    assert manager.lines[-1].endswith(", queue test, 1 workers: stopping")
