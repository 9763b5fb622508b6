"""What one attempt of a task has logged and printed, as it travels to the monitor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LogEntry:
    """The log of one attempt."""

    task_id: str
    attempt: int  # the number of its delivery, from 1
    begun: float  # seconds since the epoch
    text: str
    length: int  # bytes that were written in all; the text is the last of them
    queue: str = ""
    worker: str = ""  # the process that ran it, as rows name it
