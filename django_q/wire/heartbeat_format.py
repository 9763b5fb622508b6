"""Check that a signed value is a heartbeat, before it is unpickled and after.

A heartbeat is signed as a package is, because clusters of the predecessors read and write it so.
Whoever reaches the broker can put a signed package in the place of a heartbeat, without any key. So
the classes in it are checked before anything in it is called.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import datetime
from types import NoneType
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

from django_q.exceptions import PackageError

#: Classes and functions that a pickled heartbeat may use: those of ours, and of the predecessors'
#: with any version of Django.
HEARTBEAT_CLASSES = frozenset(
    {
        ("django_q.status", "Stat"),
        ("builtins", "str"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("uuid", "UUID"),
        ("pytz", "_UTC"),
        ("django.utils.functional", "_lazy_proxy_unpickle"),
        ("django.utils.translation", "gettext"),
        ("django.utils.translation", "ugettext"),
    }
)
NUMBER_FIELDS = (
    *("pid", "reincarnations", "sentinel", "pusher", "monitor", "scheduler"),
    *("pool_size", "task_q_size", "done_q_size"),
)
#: Counts that have no end while a cluster runs.
TOTAL_FIELDS = ("finished", "failed")
TEXT_FIELDS = ("name", "queue", "host")
#: What is told of a task that runs.
RUNNING_TEXT_KEYS = ("id", "name", "func", "group")
RUNNING_KEYS = ("pid", *RUNNING_TEXT_KEYS, "attempt", "since", "seconds")
#: How far it is, and who has cancelled it: where it has said that, and where somebody has.
PROGRESS_KEYS, OPTIONAL_TEXT_KEYS = ("done", "total"), ("note", "cancelled")
#: All numbers of a progress are below this; a double has no whole ones between above.
MAX_PROGRESS = 2**53
#: The most characters of a text.
MAX_TEXT_LENGTH = 1000
#: All numbers are below this.
NUMBER_LIMIT = 2**31
#: Seconds since the epoch, in the year 5138.
MAX_TIMESTAMP = 10**11


class HeartbeatUnpickler(pickle.Unpickler):
    """Unpickles a heartbeat. Raises ``PackageError`` for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Import a class that a heartbeat may use."""
        if (module, name) not in HEARTBEAT_CLASSES:
            raise PackageError(f"It is no heartbeat: it has a {module}.{name}.")
        return super().find_class(module, name)


def check_heartbeat(stat: Any, kind: type) -> None:
    """Raise ``PackageError`` unless all values of a heartbeat are valid.

    Texts are made printable, as they are shown on terminals.
    """
    if type(stat) is not kind:
        raise PackageError(f"It is no heartbeat, but a {type(stat).__name__}.")
    for name in NUMBER_FIELDS:
        require(is_count(getattr(stat, name)), name)
    for name in TOTAL_FIELDS:
        total = getattr(stat, name)
        require(type(total) is int and is_progress(total), name)
    for name in TEXT_FIELDS:
        setattr(stat, name, printable_text(getattr(stat, name), name))
    require(isinstance(stat.timestamp, datetime), "timestamp")
    require(isinstance(stat.tob, (datetime, NoneType)), "tob")
    require(
        isinstance(stat.status, (str, Promise)) and len(str(stat.status)) < MAX_TEXT_LENGTH,
        "status",
    )
    if not isinstance(stat.cluster_id, UUID) and not is_count(stat.cluster_id):
        stat.cluster_id = printable_text(stat.cluster_id, "cluster_id")
    require(is_list(stat.workers) and all(map(is_count, stat.workers)), "workers")
    require(is_list(stat.current), "current")
    stat.current = [checked_current_task(task) for task in stat.current]
    require(is_list(stat.running), "running")
    stat.running = [checked_running_task(task) for task in stat.running]


def checked_current_task(task: Any) -> tuple[int, str, str, float]:
    """Check one entry of ``current``, a task that runs."""
    require(is_list(task) and len(task) == 4, "current")
    pid, name, func, seconds = task
    require(is_count(pid) and is_number(seconds), "current")
    return pid, printable_text(name, "current"), printable_text(func, "current"), seconds


def checked_running_task(task: Any) -> dict[str, Any]:
    """Check one entry of ``running``, and leave out what a later release has added."""
    require(isinstance(task, dict) and task.keys() >= set(RUNNING_KEYS), "running")
    more = optional_values(task)
    task = {name: task[name] for name in RUNNING_KEYS}
    require(is_count(task["pid"]) and is_count(task["attempt"]), "running")
    require(is_number(task["since"], MAX_TIMESTAMP) and is_number(task["seconds"]), "running")
    texts = {name: printable_text(task[name], "running") for name in RUNNING_TEXT_KEYS}
    return {**task, **texts, **more}


def optional_values(task: dict[str, Any]) -> dict[str, Any]:
    """Check what an entry of ``running`` may have beside the rest; leave out what is not valid."""
    numbers = {name: task[name] for name in PROGRESS_KEYS if name in task}
    texts = {name: task[name] for name in OPTIONAL_TEXT_KEYS if isinstance(task.get(name), str)}
    return {
        **{name: value for name, value in numbers.items() if is_progress(value)},
        **{name: printable_text(text[: MAX_TEXT_LENGTH - 1], name) for name, text in texts.items()},
    }


def is_progress(value: Any) -> bool:
    """Return True if a value is how far a task is, or can get."""
    return type(value) in (int, float) and 0 <= value < MAX_PROGRESS


def require(is_valid: bool, name: str) -> None:
    """Raise ``PackageError`` unless the value of that name is valid."""
    if not is_valid:
        raise PackageError(f"It is no heartbeat: its {name} is not one.")


def is_count(value: Any) -> bool:
    """Return True if a value can be a count or a process id."""
    return type(value) is int and 0 <= value < NUMBER_LIMIT


def is_number(value: Any, limit: float = NUMBER_LIMIT) -> bool:
    """Return True if a value is a number of seconds; NaN is none."""
    return isinstance(value, (int, float)) and abs(value) < limit


def is_list(value: Any) -> bool:
    """Return True if a value is a list or tuple."""
    return isinstance(value, (list, tuple))


def printable_text(text: Any, name: str) -> str:
    """Check a text, and replace characters that do not print."""
    require(isinstance(text, str) and len(text) < MAX_TEXT_LENGTH, name)
    return text if text.isprintable() else "".join(printable_characters(text))


def printable_characters(text: str) -> Iterable[str]:
    """Yield the characters of a text, with "?" for those that do not print."""
    return (character if character.isprintable() else "?" for character in text)
