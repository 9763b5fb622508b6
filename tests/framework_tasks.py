"""Tasks of Django's tasks framework, and functions for them, one outcome each."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    from django.tasks import signals, task
    from django.tasks import task_backends as backend
except ImportError:  # Django 5.2
    from django_tasks import signals, task
    from django_tasks import task_backends as backend

__all__ = ["backend", "signals", "task"]


@task
def add(x: Any, y: Any = 0) -> Any:
    """Return a sum."""
    return x + y


@task(queue_name="mail", priority=7)
def echo(*args: Any, **kwargs: Any) -> Any:
    """Return what came in."""
    return [args, kwargs]


@task()
async def add_async(x: int, y: int) -> int:
    """Return a sum."""
    return x + y


@task(takes_context=True)
def tell(context: Any, word: str = "") -> Any:
    """Return what the context tells."""
    result = context.task_result
    return {
        "id": result.id,
        "attempt": context.attempt,
        "status": result.status,
        "args": result.args,
        "word": word,
        "queue": result.task.queue_name,
    }


@task(takes_context=True)
def succeed_later(context: Any, word: str = "", attempts: int = 3) -> Any:
    """Fail twice, or more often."""
    if context.attempt < attempts:
        raise ValueError(word)
    return context.attempt


@task
def fail(text: str = "as asked") -> None:
    """Fail."""
    raise ValueError(text)


@task
def leave() -> None:
    """Fail with an exception that is not an ``Exception``."""
    raise SystemExit("as asked")


@task
def interrupt() -> None:
    """Fail as by Ctrl-C."""
    raise KeyboardInterrupt("as asked")


class OddError(Exception):
    """An error that can be neither pickled nor made from its arguments."""

    def __init__(self, one: Any, two: Any) -> None:
        super().__init__(one)
        self.hold = lambda: two


@task
def fail_oddly() -> None:
    """Fail with an odd error."""
    raise OddError(1, 2)


@task
def return_lambda() -> Any:
    """Return what JSON has not."""
    return lambda: True


@task
def return_many_types() -> Any:
    """Return what JSON has in another form."""
    return {1: (2, b"three"), "four": [5.5, None, True]}


@task
def return_time() -> Any:
    """Return what JSON has not."""
    return datetime(2030, 1, 1)


@task
def sleep(seconds: float) -> float:
    """Return after a while."""
    time.sleep(seconds)
    return seconds


@task
def exit_now() -> None:
    """End the process."""
    os._exit(1)


def plain(x: int) -> int:
    """Return a double; no task."""
    return 2 * x


def plain_with_context(context: Any) -> int:
    """Return the number of the attempt; no task."""
    return context.attempt


nameless = lambda: 1  # noqa: E731 - no worker finds a function without a name

HOOKED: list[Any] = []


@task
def keep(finished: Any) -> None:
    """Keep what it is called with: a hook."""
    HOOKED.append(finished)


@task
def sleep_until_there(path: str) -> str:
    """Return when a file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    return path


@task
def meet(own: str, other: str) -> int:
    """Wait for a task that runs at the same time; return which process this is."""
    Path(own).touch()
    sleep_until_there.func(other)
    return os.getpid()


@task
def write(path: str, text: str) -> int:
    """Add a line to a file; return which process this is."""
    with open(path, "a") as file:
        file.write(f"{text}\n")
    return os.getpid()


@task
def die_unless_there(path: str) -> int:
    """End the worker; succeed once a file is there."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()
