"""The last bytes that a task has logged, in memory that outlives its worker.

The worker writes, with all threads and forked children of its task; the sentinel reads. There is no
lock, which a process that is killed would never release: a counter in the kernel gives each write
a place of its own.
"""

from __future__ import annotations

from multiprocessing.heap import BufferWrapper
from typing import Any

from django_q.queues import LockFreeCounter
from django_q.task_logs.entry import LogEntry

#: Bytes of the numbers in front: whose log it is, when that began by both clocks, at which byte
#: its text begins, and the length of its label.
RING_NUMBERS_BYTES = 32
#: Bytes for the label: the attempt, and the id of the task.
RING_LABEL_BYTES = 160
SINCE, BEGUN, START, LABEL_LENGTH = range(4)


class LogRing:
    """The log of the task that has written last. Pages that are never written to take no memory."""

    def __init__(self, size: int, memory: Any = None, counter: Any = None) -> None:
        self.size = size
        self.memory = memory or BufferWrapper(RING_NUMBERS_BYTES + RING_LABEL_BYTES + size)
        #: How many bytes were ever written.
        self.counter = counter or LockFreeCounter()
        view = self.memory.create_memoryview()
        self.numbers = view[:RING_NUMBERS_BYTES].cast("d")
        self.label = view[RING_NUMBERS_BYTES : RING_NUMBERS_BYTES + RING_LABEL_BYTES]
        start = RING_NUMBERS_BYTES + RING_LABEL_BYTES
        self.text = view[start : start + size]
        if memory is None:
            self.numbers[SINCE] = 0.0

    def __reduce__(self) -> tuple:
        return LogRing, (self.size, self.memory, self.counter)

    def begin(self, since: float, begun: float, task_id: str, attempt: int) -> None:
        """Begin the log of a task that began at ``since``, monotonic, and at ``begun``."""
        numbers = self.numbers
        numbers[SINCE] = 0.0
        label = f"{attempt} {task_id}".encode(errors="replace")[:RING_LABEL_BYTES]
        self.label[: len(label)] = label
        numbers[LABEL_LENGTH] = len(label)
        numbers[START] = self.counter.value()
        numbers[BEGUN] = begun
        numbers[SINCE] = since

    def is_of(self, since: float) -> bool:
        """Whether it is the log of the task that began at ``since``."""
        return self.numbers[SINCE] == since

    def is_of_later(self, since: float) -> bool:
        """Whether it is the log of a task that began after ``since``."""
        return self.numbers[SINCE] > since

    def write(self, data: bytes) -> None:
        """Add to the log, in place of its oldest bytes where it is full."""
        end = self.counter.add(len(data))
        data = data[-self.size :]
        place = (end - len(data)) % self.size
        first = min(len(data), self.size - place)
        self.text[place : place + first] = data[:first]
        self.text[: len(data) - first] = data[first:]

    def read(self, since: float) -> LogEntry | None:
        """Read the log of the task that began at ``since``; None where it has none."""
        numbers = self.numbers
        if not since or numbers[SINCE] != since:
            return None
        label = bytes(self.label[: int(numbers[LABEL_LENGTH])]).decode(errors="replace")
        start, end, begun = int(numbers[START]), self.counter.value(), numbers[BEGUN]
        first = max(start, end - self.size)
        text = self.part(first, end)
        if numbers[SINCE] != since:  # another task has begun its own meanwhile
            return None
        attempt, _, task_id = label.partition(" ")
        return LogEntry(task_id, int(attempt), begun, text, end - start)

    def part(self, first: int, end: int) -> str:
        """Return the text between two of the bytes that were ever written."""
        place, length = first % self.size, end - first
        data = bytes(self.text[place : place + length])
        data += bytes(self.text[: length - len(data)])
        return data.decode(errors="ignore")  # a letter may be cut in two


def make_ring(size: int | None) -> LogRing | None:
    """Make a ring of so many bytes; None where no logs are kept."""
    return LogRing(size) if size and size > 0 else None
