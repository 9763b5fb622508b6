"""Functions that the driver enqueues: each run leaves when it began and when it ended."""

from __future__ import annotations

import os
import random
import time
from asyncio import CancelledError
from typing import Any


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
