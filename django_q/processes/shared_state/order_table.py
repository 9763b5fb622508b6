"""The orders that workers and the sentinel heed, in memory that only the pusher writes.

There is no lock: a process that is killed would never release it. Two halves take turns: one is
written while the other is read, and then the version says that it is the one to read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from multiprocessing.heap import BufferWrapper
from typing import Any

from django_q.conf import logger

#: Bytes of each half of an order table. Pages that are never written to take no memory.
ORDER_TABLE_BYTES = 1_048_576
#: Bytes of the length and the checksum in front of a half.
ORDER_HEADER_BYTES = 8
#: Bytes of the numbers in front of both: the version, and whether the cluster stops.
ORDER_NUMBERS_BYTES = 16
#: Reads of a table that changes meanwhile, before what was read last counts.
MAX_TABLE_READS = 100
#: What stands for the text of each order where all texts take too many bytes.
SHORT_ORDER_TEXT = "cancelled"

#: By the key of a notice: the time when it was posted, in seconds since the epoch, and its text.
Orders = dict[str, tuple[float, str]]


class OrderTable:
    """The notices of a queue, and whether its cluster stops; the same for all its processes."""

    def __init__(self, memory: Any = None) -> None:
        # Not a RawArray, which writes to each of its pages.
        self.memory = memory or BufferWrapper(ORDER_NUMBERS_BYTES + 2 * ORDER_TABLE_BYTES)
        view = self.memory.create_memoryview()
        self._numbers = view[:ORDER_NUMBERS_BYTES].cast("d")
        first, second = ORDER_NUMBERS_BYTES, ORDER_NUMBERS_BYTES + ORDER_TABLE_BYTES
        self._halves = (view[first:second], view[second : second + ORDER_TABLE_BYTES])
        self._last_read: Orders = {}  # by this process
        self._current_version = 0.0  # of the table that current() has read
        if memory is None:
            self._numbers[0] = self._numbers[1] = 0.0

    def __reduce__(self) -> tuple:
        return OrderTable, (self.memory,)

    @property
    def version(self) -> float:
        """Which table it is: it changes when another one is complete; 0 before the first."""
        return self._numbers[0]

    def write(self, orders: Mapping[str, tuple[float, str]]) -> None:
        """Replace all orders. Only the pusher may; workers see all of them, or those before."""
        data = encoded_orders(orders)
        version = int(self._numbers[0]) + 1
        half = self._halves[version % 2]
        half[:ORDER_HEADER_BYTES] = header_of(data)
        half[ORDER_HEADER_BYTES : ORDER_HEADER_BYTES + len(data)] = data
        self._numbers[0] = version

    def read(self) -> Orders:
        """Read the orders; those that this process read last where none are found complete.

        To be called after ``version`` was read: then the orders are of that version or a later one.
        """
        version = self._numbers[0]
        for _ in range(MAX_TABLE_READS):
            orders = decoded_orders(self._halves[int(version) % 2]) if version else {}
            before, version = version, self._numbers[0]
            if orders is not None and before == version:
                self._last_read = orders
                break
        return self._last_read

    def current(self) -> Orders:
        """Return the orders, which are read once for each version of the table."""
        if (version := self._numbers[0]) != self._current_version:
            self.read()
            # Behind it: a Unix signal's handler, or another thread, may ask in between.
            self._current_version = version
        return self._last_read

    @property
    def is_stopping(self) -> bool:
        """Whether the cluster stops: a task that can go on elsewhere may end."""
        return self._numbers[1] != 0.0

    def request_stop(self) -> None:
        """Say that the cluster stops. Only the sentinel may."""
        self._numbers[1] = 1.0


def header_of(data: bytes | memoryview) -> bytes:
    """Return the length and the checksum of data."""
    return len(data).to_bytes(4, "little") + zlib.crc32(data).to_bytes(4, "little")


def decoded_orders(half: memoryview) -> Orders | None:
    """Read the orders in a half; None where they are being written."""
    header = bytes(half[:ORDER_HEADER_BYTES])
    length = int.from_bytes(header[:4], "little")
    data = bytes(half[ORDER_HEADER_BYTES : ORDER_HEADER_BYTES + length])
    if header_of(data) != header:
        return None
    return {key: (time, text) for key, (time, text) in json.loads(data or b"{}").items()}


def encoded_orders(orders: Mapping[str, tuple[float, str]]) -> bytes:
    """Write orders as JSON, with short texts if they are too long, and the oldest if too many."""
    limit = ORDER_TABLE_BYTES - ORDER_HEADER_BYTES
    data = as_json(orders)
    if len(data) > limit:
        orders = {key: (time, SHORT_ORDER_TEXT) for key, (time, _) in orders.items()}
        data = as_json(orders)
    while len(data) > limit:
        oldest = sorted(orders.items(), key=lambda item: item[1][0])[: len(orders) * 3 // 4]
        logger.warning(
            "%s of %s orders are not heeded: all of them take more than %s bytes",
            *(len(orders) - len(oldest), len(orders), limit),
        )
        orders = dict(oldest)
        data = as_json(orders)
    return data


def as_json(orders: Mapping[str, tuple[float, str]]) -> bytes:
    """Write orders as JSON."""
    text = json.dumps(orders, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")
