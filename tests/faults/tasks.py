"""Functions that the driver enqueues: each run leaves when it began and when it ended."""

from __future__ import annotations

import os
import random
import time
from asyncio import CancelledError
from contextlib import nullcontext
from datetime import datetime, timezone
from typing import Any

from django.db import transaction

from django_q.models import Heartbeat
from django_q.tasks import current_task

#: Added to the name of the trace: files of failures, and of items that are done.
FAILURES, ITEMS = ".failures", ".items"
#: Seconds that an item takes.
ITEM_SECONDS = 0.01
FAR_OFF = datetime(2100, 1, 1, tzinfo=timezone.utc)


def leave(path: str, kind: str, number: int) -> None:
    """Add a line to the trace, whole and at once: "began 17 4711 123.456"."""
    line = f"{kind} {number} {os.getpid()} {time.monotonic():.6f}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def work(path: str, number: int, seconds: float, ballast: bytes = b"") -> Any:
    """Take a while; what is passed along travels with the result as well."""
    leave(path, "began", number)
    if seconds:
        time.sleep(seconds)
    leave(path, "ended", number)
    return ballast or number


class Failed(Exception):
    """Raised by a task that is to be tried again."""


def fail_at_first(path: str, number: int, times: int) -> int:
    """Fail so many times, and then work."""
    marks = marks_of(path + FAILURES, number)
    if len(marks) < times:
        leave(path + FAILURES, f"{len(marks)}", number)
        raise Failed(f"for the time {len(marks) + 1} of {times}")
    return work(path, number, 0)


def walk(path: str, number: int, count: int, batch: int | None, has_rows: bool) -> int:
    """Go through items that are resumed where an earlier attempt has ended.

    Each leaves a line when it is done; with ``has_rows`` a row, in one transaction for all.
    """
    with transaction.atomic() if has_rows else nullcontext():
        for each in current_task.iterate(range(count), batch=batch):
            for item in each if batch else [each]:
                time.sleep(ITEM_SECONDS)
                if has_rows:
                    row = Heartbeat(key=item_key(number, item), expires=FAR_OFF)
                    Heartbeat.objects.bulk_create([row], ignore_conflicts=True)
                else:
                    leave(path + ITEMS, f"{item}", number)
    return work(path, number, 0)


def item_key(number: int, item: int) -> str:
    """Name the row of an item."""
    return f"item:{number}:{item}"


def marks_of(path: str, number: int) -> list[str]:
    """Read what a task has left in a file of its own kind."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        lines = [line.split() for line in file]
    return [mark for mark, owner, *_ in lines if int(owner) == number]


def hook(task: Any) -> None:
    """Leave that the hook of a task was called."""
    leave(task.args[0], "hooked", task.args[1])


def worst() -> BaseException:
    """Make one of the exceptions that are no ``Exception``."""
    return random.choice([KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError])("as asked")


def raising_hook(task: Any) -> None:
    """Raise what is no ``Exception`` as a hook."""
    hook(task)
    raise worst()


def exiting_hook(task: Any) -> None:
    """End the process as a hook, at random."""
    hook(task)
    if random.random() < 0.5:
        os._exit(3)


def receive(**arguments: Any) -> None:
    """As a receiver of a signal, raise what is no ``Exception``, at random."""
    if random.random() < 0.2:
        raise worst()


def slow_hook(task: Any) -> None:
    """Take a while as a hook."""
    time.sleep(0.4)
    hook(task)
