"""Who reads what a cluster writes, and at times does not: a pager, a terminal, a log driver."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

#: Bytes that the pipe takes while nobody reads: little, so that it is full at once.
SIZE = 4096


class LogReader:
    """A pipe into which a cluster writes, and the thread that copies from it into a file."""

    def __init__(self) -> None:
        self.is_reading = threading.Event()
        self.is_reading.set()

    def open(self, file: Path) -> int:
        """Make the pipe, and give the end of it that the cluster has."""
        reading, self.writing = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, SIZE)
        threading.Thread(target=self.copy, args=(reading, file), daemon=True).start()
        return self.writing

    def close(self) -> None:
        """Leave that end to the cluster alone, so that the pipe ends with it."""
        os.close(self.writing)

    def copy(self, reading: int, path: Path) -> None:
        """Copy until nobody has the other end any more."""
        with open(reading, "rb", buffering=0) as source, open(path, "ab", buffering=0) as file:
            while self.is_reading.wait() and (data := source.read(SIZE)):
                file.write(data)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Read nothing for the time of a block."""
        self.is_reading.clear()
        try:
            yield
        finally:
            self.is_reading.set()
