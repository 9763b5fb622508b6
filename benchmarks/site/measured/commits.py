"""Many processes that commit, and callers that wait meanwhile."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group
from django.db import connection

from django_q import tasks

#: Commits of each process before the clock starts.
WARMUP_COMMITS = 3
#: Seconds in which all processes must have begun, and in which what they measured must have come.
START_SECONDS = 60.0
#: Seconds until the tasks are due that are waited for: later than anything that is measured.
NEVER = 86400
#: Milliseconds in which a task that is due at once has to end.
DUE_MS = 60_000


def add_task() -> None:
    """Commit a task, into a queue that no cluster serves."""
    tasks.async_task("measured.tasks.sign", 1, -2, q_options={"cluster": "unserved"})


def add_row() -> None:
    """Commit a row of the project."""
    Group.objects.create(name=uuid4().hex)


KINDS: dict[str, Callable[[], None]] = {"tasks": add_task, "rows": add_row}


def commit(kind: str, writers: int, seconds: float) -> list[float]:
    """Commit from so many processes at once; how many seconds each commit took."""
    connection.close()
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(writers), context.Queue()
    for _ in range(writers):
        arguments = (kind, seconds, barrier, found)
        context.Process(target=commit_for, args=arguments, daemon=True).start()
    limit = seconds + START_SECONDS
    return [duration for _ in range(writers) for duration in found.get(timeout=limit)]


def commit_for(kind: str, seconds: float, barrier: Any, found: Any) -> None:
    """Commit again and again in this process, and put how long each commit took."""
    add, durations = KINDS[kind], []
    for _ in range(WARMUP_COMMITS):
        add()
    barrier.wait(START_SECONDS)
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        add()
        before, now = now, time.perf_counter()
        durations.append(now - before)
    found.put(durations)


def feed(interval: float) -> None:
    """Enqueue tasks until this process is ended, one every ``interval`` seconds."""
    while True:
        time.sleep(interval)
        tasks.async_task("measured.tasks.sign", 1, -2)


def keep_waiting(call: str, number: int) -> None:
    """Wait for so many results that do not come; writes a line when all wait."""
    if call == "listener":
        listen_idly()
        return
    never = {"q_options": {"run_after": NEVER}}
    ids = [tasks.async_task("measured.tasks.sign", 1, -2, **never) for _ in range(number)]
    if call == "aresult":
        asyncio.run(await_all(ids))
        return
    for task_id in ids:
        threading.Thread(target=tasks.result, args=(task_id, -1)).start()
    tasks.result(tasks.async_task("measured.tasks.sign", 1, -2), DUE_MS)
    connection.close()
    print("waiting", flush=True)


def listen_idly() -> None:
    """Listen to what nobody tells, without a word to django_q: what a listener costs by itself."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN unrelated")
    print("waiting", flush=True)
    threading.Event().wait()


async def await_all(ids: list[str]) -> None:
    """Wait for all in one event loop."""
    waiting = [asyncio.ensure_future(tasks.aresult(task_id, wait=-1)) for task_id in ids]
    await tasks.aresult(await tasks.aasync_task("measured.tasks.sign", 1, -2), wait=DUE_MS)
    print("waiting", flush=True)
    await asyncio.gather(*waiting)
