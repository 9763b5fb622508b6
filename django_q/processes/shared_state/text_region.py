"""A text in shared memory that one process writes and others read, without a lock.

In front of it are its sequence number, which is odd while it is being written, and its length. A
process that is killed meanwhile leaves it odd: the text is then not read, until another is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

#: Bytes of both numbers.
REGION_HEADER_BYTES = 16
#: How often a text is read again that was being written.
MAX_READ_TRIES = 100


def region_bytes(text_bytes: int) -> int:
    """Return how much memory a region takes that has room for so many bytes, of eight each."""
    return REGION_HEADER_BYTES + text_bytes


class TextRegion:
    """A part of shared memory with room for one text; only one process writes it."""

    def __init__(self, memory: memoryview) -> None:
        self.header = memory[:REGION_HEADER_BYTES].cast("Q")  # sequence number, length
        self.data = memory[REGION_HEADER_BYTES:]

    @property
    def size(self) -> int:
        """How many bytes it has room for."""
        return len(self.data)

    def write(self, data: bytes, write_numbers: Callable[[], None] | None = None) -> None:
        """Write a text, which must fit. ``write_numbers`` writes what is to be read with it."""
        header = self.header
        # A local number: the handler of a Unix signal may write between any two of these lines.
        sequence = header[0] + 1 | 1
        header[0] = sequence
        self.data[: len(data)] = data
        header[1] = len(data)
        if write_numbers is not None:
            write_numbers()
        header[0] = sequence + 1

    def write_cut(self, text: str, write_numbers: Callable[[], None] | None = None) -> None:
        """Write the beginning of a text, as far as there is room, as ``write`` does."""
        data = text.encode("utf-8", "replace")
        if len(data) > len(self.data):
            data = data[: len(self.data)].decode(errors="ignore").encode()
        self.write(data, write_numbers)

    def clear(self) -> None:
        """Write an empty text."""
        self.header[1] = 0

    def reset(self) -> None:
        """Write an empty text where another process may have been killed while it wrote."""
        self.header[1] = 0
        self.header[0] = 0

    def read(self) -> bytes:
        """Read the text; empty if it is never found complete."""
        return self.read_with(bytes) or b""

    def read_with(self, convert: Callable[[bytes], Value]) -> Value | None:
        """Call a function with the text, which may read more that belongs to it.

        Called again where the text has changed meanwhile. None if it is never found complete.
        """
        header = self.header
        for _ in range(MAX_READ_TRIES):
            sequence = header[0]
            value = convert(bytes(self.data[: header[1]]))
            if sequence % 2 == 0 and header[0] == sequence:
                return value
        return None
