"""What a measure has done in a process of the side: ``python -m measured VERB JSON``."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.db import connection

from django_q import tasks
from django_q.models import Task
from measured.commits import commit, feed, keep_waiting
from measured.rows import insert_tasks
from measured.several_clusters import await_clusters, pause, resume

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


def enqueue(number: int, batch: bool | None = False, options: dict | None = None) -> dict | None:
    """Enqueue short tasks, one by one or in batches; None for the batches where there are some.

    ``options`` are what each call has in ``q_options``. Returns the rate, the seconds of processor
    time a task, and the id of the last one; None where the side knows no batches.
    """
    if batch is None:
        batch = async_batch is not None
    if batch and async_batch is None:
        return None
    # So that imports and the first connection are not timed.
    warm = min(WARMUP_CALLS, number // 2)
    extra = {"q_options": options} if options else {}
    ids = [send_one(index, extra) for index in range(warm)]
    begin, cpu = time.perf_counter(), time.process_time()
    for first, count in chunks(warm, number, BATCH_SIZE if batch else 1):
        ids[-1:] = send(first, count, extra) if batch else [send_one(first, extra)]
    # Never nothing: the clock of a virtual machine may stand still for milliseconds.
    seconds = max(time.perf_counter() - begin, MIN_SECONDS)
    cpu = (time.process_time() - cpu) / (number - warm)
    return {"rate": (number - warm) / seconds, "cpu": cpu, "last": ids[-1]}


def send_one(index: int, extra: dict) -> str:
    """Enqueue a call that no other one is like."""
    return tasks.async_task("measured.tasks.sign", index, -2, **extra)


def send(first: int, count: int, extra: dict) -> list[str]:
    """Enqueue a batch."""
    calls = [("measured.tasks.sign", (index, -2)) for index in range(first, first + count)]
    return async_batch(calls, **extra)


def chunks(first: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """Divide a range into parts: where each begins, and how long it is."""
    for index in range(first, end, most):
        yield index, min(most, end - index)


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


def work(pairs: int, rounds: int) -> None:
    """Enqueue pairs of long tasks: one that tells no progress, and one that does."""
    for index in range(2 * pairs):
        tasks.async_task("measured.tasks.work", rounds, bool(index % 2))


def wait_for_number(number: int) -> float:
    """Wait until so many results are saved; the monotonic time at which they were."""
    while Task.objects.filter(success=True).count() < number:
        time.sleep(0.05)
    return time.monotonic()


def await_results(number: int, first: float, interval: float) -> dict[str, list[float]]:
    """Wait for tasks that end one after the other, in threads and in an event loop.

    Returns how many seconds after the end of its task each caller had the result.
    """
    delays: dict[str, list[float]] = {"result": [], "aresult": []}

    def begin() -> list[str]:
        due = [{"run_after": first + interval * place} for place in range(number)]
        return [tasks.async_task("time.monotonic", q_options=options) for options in due]

    def note(kind: str, ended: float) -> None:
        delays[kind].append(time.monotonic() - ended)

    def wait(task_id: str) -> None:
        note("result", tasks.result(task_id, wait=-1))
        connection.close()

    async def await_all() -> None:
        async def wait(task_id: str) -> None:
            note("aresult", await tasks.aresult(task_id, wait=-1))

        await asyncio.gather(*map(wait, ids))

    threads = [threading.Thread(target=wait, args=(task_id,)) for task_id in begin()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = begin()
    asyncio.run(await_all())
    return delays


def wait_for_task(task_id: str) -> float:
    """Wait until the result of a task is saved; the monotonic time at which it was."""
    while not Task.objects.filter(pk=task_id).exists():
        time.sleep(0.02)
    return time.monotonic()


VERBS: dict[str, Any] = {
    verb.__name__: verb
    for verb in (
        *(migrate, fill, enqueue, trickle, carry, work),
        *(await_results, wait_for_number, wait_for_task),
        *(commit, feed, keep_waiting, await_clusters, pause, resume),
    )
}
