"""Tasks that are interrupted: by a stop, a crash, an order, or a limit that they may catch."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import psutil
from django.contrib.auth.models import Group
from django.db import transaction

from django_q.exceptions import SoftTimeout
from django_q.tasks import current_task


def note(path: str, *values: Any) -> None:
    """Leave a line in a file."""
    with open(path, "a") as file:
        file.write(" ".join(map(str, values)) + "\n")


def lines(path: str | Path) -> list[str]:
    """Read what was left in a file."""
    return Path(path).read_text().split("\n")[:-1] if Path(path).exists() else []


def loop(path: str, count: int, seconds: float) -> str:
    """Leave each number in a file, and take a while for it."""
    for number in current_task.iterate(range(count)):
        note(path, number)
        time.sleep(seconds)
    return f"attempt {current_task.attempt}"


def loop_and_catch_all(path: str, count: int, seconds: float) -> str:
    """Loop as ``loop`` does, and swallow what ends the loop."""
    try:
        return loop(path, count, seconds)
    except BaseException as error:  # the worst a task can do
        return f"swallowed {type(error).__name__}"


def loop_through_groups(path: str, seconds: float, batch: int | None = None) -> None:
    """Rename each group, in a transaction with what takes a while."""
    for item in current_task.iterate(Group.objects.all(), batch=batch):
        with transaction.atomic():
            for group in item if batch else [item]:
                group.name += " again"
                group.save()
                note(path, group.pk)
                time.sleep(seconds)


def wait_to_be_cancelled(path: str, seconds: float = 60) -> None:
    """Say that it runs, and sleep."""
    note(path, "begun")
    try:
        time.sleep(seconds)
    finally:
        note(path, "over")


def work_without_alarms(path: str, seconds: float = 60) -> None:
    """Say that it runs, and work on without the signal that would interrupt it."""
    while not process_title_names_task():  # from then on it is seen that it runs
        time.sleep(0.01)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    note(path, "begun")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if current_task.is_cancelled:
            note(path, "cancelled")
            break
    time.sleep(seconds)


def process_title_names_task() -> bool:
    """Whether the worker has said what it runs."""
    return "processing" in " ".join(psutil.Process().cmdline())


def tell_progress(path: str, seconds: float = 60) -> None:
    """Say how far it is, and sleep."""
    current_task.progress(3, 12, "reading")
    note(path, "begun")
    time.sleep(seconds)


def catch_soft_timeout(path: str, seconds: float, then: float = 0) -> str:
    """Clean up when there is not much time left."""
    try:
        time.sleep(seconds)
    except SoftTimeout as error:
        note(path, "soft")
        time.sleep(then)
        return f"caught {error}"
    return "nothing to catch"


async def catch_soft_timeout_at_await(path: str, seconds: float, then: float = 0) -> str:
    """Clean up when there is not much time left, in a coroutine."""
    try:
        await asyncio.gather(asyncio.sleep(seconds), asyncio.sleep(seconds))
    except SoftTimeout as error:
        note(path, "soft")
        await asyncio.sleep(then)
        return f"caught {error}"
    return "nothing to catch"


def describe() -> dict[str, Any]:
    """Return what a task knows of itself."""
    deadline = current_task.deadline
    return {
        "id": current_task.id,
        "name": current_task.name,
        "attempt": current_task.attempt,
        "group": current_task.group,
        "queue": current_task.queue,
        "seconds": deadline and deadline.timestamp() - time.time(),
        "is_cancelled": current_task.is_cancelled,
        "exists": bool(current_task),
    }


async def describe_async() -> dict[str, Any]:
    """Return what a task knows of itself in a thread that a coroutine has started."""
    return await asyncio.to_thread(describe)
