"""The log line of a stop: which tasks it waits for, and how to end them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_q.conf import logger
from django_q.text.printable import PrintableText, printable

#: Tasks that are named.
MAX_AWAITED_NAMES = 10


def log_awaited_tasks(process: str, running: Iterable[Mapping[str, Any]], seconds: float) -> None:
    """Log which tasks a stop waits for, at most so long; nothing where none runs.

    ``running`` describes them as ``Status.running`` does.
    """
    tasks = sorted(running, key=lambda task: -task["seconds"])
    if not tasks:
        return
    texts = [task_text(task) for task in tasks[:MAX_AWAITED_NAMES]]
    if left := len(tasks) - len(texts):
        texts.append(f"and {left} more")
    logger.info(
        "%s waits at most %.0f seconds for %s; a second Ctrl-C or signal ends %s at once: %s",
        process,
        seconds,
        "1 task that runs" if len(tasks) == 1 else f"{len(tasks)} tasks that run",
        "it" if len(tasks) == 1 else "them",
        PrintableText(", ".join(texts)),
    )


def task_text(task: Mapping[str, Any]) -> str:
    """Name a task, and since when it runs."""
    names = printable(task["func"]), printable(task["name"])
    return "'{}' ({}) for {:.0f} s".format(*names, task["seconds"])
