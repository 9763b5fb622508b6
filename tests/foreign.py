"""Code of others: hooks, receivers and values, each as bad as can be. Also an app that has such.

``DJANGO_Q_TEST_APPS=tests.foreign.Receivers`` installs it, and ``DJANGO_Q_TEST_RECEIVERS`` connects
receivers: ``post_execute=tests.foreign.end_process``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from django_q import signals

#: What foreign code may raise.
WORST = {
    "CancelledError": asyncio.CancelledError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "SystemExit": SystemExit,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
}
NAMES = list(WORST)

#: A context variable that tasks set.
SETTING: ContextVar[str] = ContextVar("setting", default="none")


class Receivers(AppConfig):
    """Connects the receivers that the environment names."""

    name = "tests.foreign"
    label = "foreign"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        """Connect them."""
        for pair in os.environ.get("DJANGO_Q_TEST_RECEIVERS", "").split():
            signal, path = pair.split("=")
            module, name = path.rsplit(".", 1)
            receiver = getattr(import_module(module), name)
            found = getattr(signals, signal, None)
            if found is None:
                found = getattr(import_module("django.db.models.signals"), signal)
            found.connect(receiver, weak=False)


def raise_worst(name: str) -> None:
    """As a task, raise it."""
    raise WORST[name]("as asked")


def hook_that_raises(task: Any) -> None:
    """As a hook, raise what the task's argument names."""
    raise WORST[task.args[0]]("in the hook")


def note(path: str, word: str) -> None:
    """Leave a word in a file."""
    with open(path, "a") as file:
        file.write(f"{word}\n")


def leave(path: str, word: str) -> str:
    """As a task, leave a word in a file, and return it."""
    note(path, word)
    return word


def fail(path: str, word: str) -> None:
    """As a task, leave a word in a file, and fail."""
    note(path, word)
    raise ValueError(word)


def leave_and_fail_once(path: str, word: str) -> str:
    """As a task, leave a word in a file, and fail if it is the first."""
    note(path, word)
    if len(Path(path).read_text().split()) == 1:
        raise ValueError(word)
    return word


def end_process(task: Any = None, **kwargs: Any) -> None:
    """As a hook or a receiver, end the process; of tasks that are told to, where that is known."""
    task = task or kwargs.get("instance")
    args = task["args"] if isinstance(task, dict) else getattr(task, "args", ())
    if len(args) > 1 and str(args[1]).startswith("end"):
        note(args[0], "ended")
        os._exit(7)


def end_anyway(task: Any) -> None:
    """As the hook of an iterable, end the process."""
    note(task.args[0][0], "ended")
    os._exit(7)


def hook_that_notes(task: Any) -> None:
    """As a hook, leave a word in the file of the task."""
    note(task.args[0], "hook")


def end_or_name(task: Any) -> None:
    """As a hook, end the process for tasks that are told to; leave a word for the others."""
    end_process(task)
    note(task.args[0], f"hook-of-{task.args[1]}")


async def async_hook(task: Any) -> None:
    """As a hook that is a coroutine function, leave a word in the file of the task."""
    await asyncio.sleep(0)
    note(task.args[0], "awaited")


async def async_hook_that_raises(task: Any) -> None:
    """As such a hook, raise what the task's argument names."""
    await asyncio.sleep(0)
    raise WORST[task.args[0]]("in the hook")


class Unspeakable(ValueError):
    """Can be neither represented nor printed."""

    def __str__(self) -> str:
        raise SystemExit("in str")

    __repr__ = __str__


def raise_unspeakable() -> None:
    """As a task, fail with what can not be printed."""
    raise Unspeakable


class Unpicklable:
    """A result that can be neither pickled nor represented."""

    def __reduce__(self) -> tuple:
        raise SystemExit("in reduce")

    def __repr__(self) -> str:
        raise asyncio.CancelledError("in repr")


def return_unpicklable() -> Unpicklable:
    """As a task, return it."""
    return Unpicklable()


class Fatal:
    """A result that ends the process that pickles it."""

    def __reduce__(self) -> tuple:
        os._exit(9)


def return_fatal(path: str) -> Fatal:
    """As a task, leave a trace, and return it."""
    note(path, "ran")
    return Fatal()


def set_variable(value: str) -> str:
    """As a task, tell what a context variable holds, and set it."""
    before = SETTING.get()
    SETTING.set(value)
    return before


#: Descriptors that a task holds.
HELD: list[int] = []


def hoard_descriptors(length: int) -> str:
    """As a task, use up all descriptors, take a while, and return a long text."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    with contextlib.suppress(OSError):
        while True:
            HELD.append(os.open(os.devnull, os.O_RDONLY))
    time.sleep(0.1)
    return "x" * length
