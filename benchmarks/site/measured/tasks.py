"""The tasks that are enqueued.

A task tells that it ran by appending a record of 16 bytes to a file: about a microsecond, the same
for every side, safe across processes and kills, and outside the broker that is measured.
"""

from __future__ import annotations

import math
import os
import struct
import time

from django_q import tasks
from measured import SETUP

#: Not every side has one.
current_task = getattr(tasks, "current_task", None)

#: Monotonic time in seconds, and a value of the task's own.
RECORD = struct.Struct("dd")

#: Numbers that are added up in one round of ``work``.
ROUND = 6000

RECORDS = os.open(SETUP["records"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def record(value: float) -> None:
    """Append a record."""
    os.write(RECORDS, RECORD.pack(time.monotonic(), value))


def sign(x: float, y: float) -> float:
    """Do next to nothing, with two arguments and a result."""
    result = math.copysign(x, y)
    record(0)
    return result


def delay(sent: float) -> None:
    """Record how long ago the task was sent."""
    record(time.monotonic() - sent)


def work(rounds: int, is_told: bool) -> None:
    """Do the same again and again, about a tenth of a millisecond each; record the seconds."""
    began = time.process_time()
    for index in range(rounds):
        sum(range(ROUND))
        if is_told:
            current_task.progress(index, rounds)
    record(time.process_time() - began)


def carry(content: bytes) -> None:
    """Be given something large."""
    record(len(content))
