"""Wait until one of several descriptors is readable, or a time-out."""

from __future__ import annotations

import math
import select
from collections.abc import Iterable
from typing import Any


def wait_until_readable(sources: Iterable[Any], timeout: float | None) -> list[Any]:
    """Wait until one of several sockets or descriptors can be read. Returns those that can.

    ``timeout`` is in seconds; None waits for ever. Sources that are None are ignored.

    By poll(2): for a set that is used once, it needs the fewest system calls and objects.
    """
    by_number = {s if isinstance(s, int) else s.fileno(): s for s in sources if s is not None}
    poller = select.poll()
    for number in by_number:
        poller.register(number, select.POLLIN)
    ready = poller.poll(None if timeout is None else math.ceil(max(0, timeout * 1000)))
    return [by_number[number] for number, _ in ready]
