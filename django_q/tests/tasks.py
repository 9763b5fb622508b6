"""Functions to try tasks with, by the paths that people know from the predecessors."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any


class TaskError(Exception):
    """Raised by ``raise_exception``."""


def hello() -> str:
    """Greet."""
    return "hello"


def multiply(x: Any, y: Any) -> Any:
    """Multiply two values."""
    return x * y


def countdown(n: int) -> None:
    """Count to zero."""
    while n > 0:
        n -= 1


def count_letters(tup: Iterable[str]) -> int:
    """Count the letters of some words."""
    return sum(map(len, tup))


def count_letters2(obj: Any) -> int:
    """Count the letters of an object's words."""
    return count_letters(obj.get_words())


def count_forever() -> None:
    """Run for longer than any time limit."""
    while True:
        time.sleep(0.5)


def get_task_name(task: Any) -> str:
    """Tell the name of a task."""
    return task.name


def get_user_id(user: Any) -> Any:
    """Tell the id of a user."""
    return user.id


def raise_exception() -> None:
    """Fail."""
    raise TaskError("this is an exception")


def return_falsy_value() -> list:
    """Give an empty list."""
    return []


def result(obj: Any) -> None:
    """Print the result of a finished task, as a hook."""
    print(f"RESULT HOOK {obj.name} : {obj.result}")
