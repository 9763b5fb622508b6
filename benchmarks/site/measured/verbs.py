"""What a measure has done in a process of the side: ``python -m measured VERB JSON``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.db import connection

from django_q import tasks
from django_q.models import Task
from measured.rows import insert_tasks

#: Calls before the clock starts.
WARMUP_CALLS = 20

#: Seconds that a measured time lasts at least.
MIN_SECONDS = 1e-6

#: Calls in one batch.
BATCH_SIZE = 500

#: Not every side has a call for many tasks.
async_batch = getattr(tasks, "async_batch", None)


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)


def fill(rows: int) -> None:
    """Put finished tasks into the table."""
    insert_tasks(connection, rows)


def enqueue(number: int, batch: bool | None = False) -> dict | None:
    """Enqueue short tasks, one by one or in batches; None for the batches where there are some.

    Returns the rate and the id of the last task; None where the side knows no batches.
    """
    if batch is None:
        batch = async_batch is not None
    if batch and async_batch is None:
        return None
    # So that imports and the first connection are not timed.
    warm = min(WARMUP_CALLS, number // 2)
    ids = [tasks.async_task("measured.tasks.sign", 2, -2) for _ in range(warm)]
    begin = time.perf_counter()
    for count in chunks(number - warm, BATCH_SIZE if batch else 1):
        ids[-1:] = send(count) if batch else [tasks.async_task("measured.tasks.sign", 2, -2)]
    # Never nothing: the clock of a virtual machine may stand still for milliseconds.
    seconds = max(time.perf_counter() - begin, MIN_SECONDS)
    return {"rate": (number - warm) / seconds, "last": ids[-1]}


def send(count: int) -> list[str]:
    """Enqueue a batch."""
    return async_batch([("measured.tasks.sign", (2, -2))] * count)


def chunks(number: int, most: int) -> Iterator[int]:
    """Divide a number into parts."""
    for first in range(0, number, most):
        yield min(most, number - first)


def trickle(number: int, interval: float) -> None:
    """Enqueue tasks that tell their delay, one every ``interval`` seconds."""
    for _ in range(number):
        time.sleep(interval)
        tasks.async_task("measured.tasks.delay", time.monotonic())


def carry(number: int, size: int) -> float:
    """Enqueue tasks with so many bytes of what can't be compressed; the seconds it took."""
    content = os.urandom(size)
    tasks.async_task("measured.tasks.sign", 2, -2)
    begin = time.perf_counter()
    for _ in range(number):
        tasks.async_task("measured.tasks.carry", content)
    return time.perf_counter() - begin


def wait_for_number(number: int) -> float:
    """Wait until so many results are saved; the monotonic time at which they were."""
    while Task.objects.filter(success=True).count() < number:
        time.sleep(0.05)
    return time.monotonic()


def wait_for_task(task_id: str) -> float:
    """Wait until the result of a task is saved; the monotonic time at which it was."""
    while not Task.objects.filter(pk=task_id).exists():
        time.sleep(0.02)
    return time.monotonic()


VERBS: dict[str, Any] = {
    verb.__name__: verb
    for verb in (migrate, fill, enqueue, trickle, carry, wait_for_number, wait_for_task)
}
