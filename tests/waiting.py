"""Waiting for a condition, without a fixed pause."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds after which what a test waits for does not come any more. Many of them cost nothing where
#: it comes, and a machine that has much else to do takes its time.
DEADLINE = 60


def comes(condition: Callable[[], object], timeout: float, interval: float = 0.01) -> bool:
    """Wait for what may not come; whether it did in ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def wait_until(
    condition: Callable[[], object], timeout: float = DEADLINE, interval: float = 0.01
) -> None:
    """Return as soon as ``condition()`` is true; fail when it is not in a minute, or longer."""
    timeout = max(timeout, DEADLINE)
    assert comes(condition, timeout, interval), f"still not so after {timeout} seconds"
