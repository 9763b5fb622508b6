"""Functions of tasks that are tried again, or resumed: what no peer has."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from datetime import datetime, timezone

from django.db import transaction

from django_q.models import Heartbeat
from django_q.tasks import current_task
from tests.faults.tasks import leave, work

#: Added to the name of the trace: files of failures, and of items that are done.
FAILURES, ITEMS = ".failures", ".items"
#: Seconds that an item takes.
ITEM_SECONDS = 0.01
FAR_OFF = datetime(2100, 1, 1, tzinfo=timezone.utc)


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


def item_key(number: int, item: int | str) -> str:
    """Name the row of an item."""
    return f"item:{number}:{item}"


def marks_of(path: str, number: int) -> list[str]:
    """Read what a task has left in a file of its own kind."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        lines = [line.split() for line in file]
    return [mark for mark, owner, *_ in lines if int(owner) == number]
