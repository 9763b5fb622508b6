"""What values may be that callers give, and how what means one thing becomes that.

Each function gives the value as it is used, or raises what it likes: who calls it says what was
expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, time, timedelta
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from numbers import Number
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

from django_q.exceptions import PackageError, safe_repr

#: Seconds that stand for no limit: a hundred years. A timer takes no number of any size.
MAX_SECONDS = 100 * 366 * 86400
#: What a column of integers holds.
MAX_INTEGER = 2**31 - 1
#: Characters of a queue's name, as long as its column.
MAX_QUEUE_NAME_LENGTH = 100
#: Characters of a value that an error shows.
MAX_SHOWN_LENGTH = 100
#: What is written as text in one way only.
TEXT_TYPES = (Number, UUID, date, time, PurePath)


def text(value: Any) -> str:
    """Take what is text, or is written in one way."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Promise) or (
        isinstance(value, TEXT_TYPES) and not isinstance(value, bool)
    ):
        return str(value)
    raise TypeError


def label(value: Any) -> str | None:
    """Take a name to find something by; none is none."""
    return text(value) or None


def queue_name(value: Any) -> str | None:
    """Take a name that every broker can give to a queue."""
    name = text(value)
    if not name.isprintable() or len(name) > MAX_QUEUE_NAME_LENGTH:
        raise ValueError
    return name or None


def number(value: Any) -> int | float:
    """Take what counts: a number, digits, or a span of time in seconds."""
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, (str, Promise)):
        value = float(str(value))
    elif not isinstance(value, Number):
        raise TypeError
    exact = float(value)  # raises OverflowError
    if not math.isfinite(exact):
        raise ValueError
    if type(value) is int or (type(value) is float and not exact.is_integer()):
        return value
    return int(value) if isinstance(value, int) or exact.is_integer() else exact


def seconds(value: Any) -> int | float:
    """Take a time limit; below zero there is none."""
    limit = number(value)
    if abs(limit) > MAX_SECONDS:
        raise ValueError
    return limit


def non_negative_integer(value: Any) -> int:
    """Take a count."""
    count = number(value)
    if not isinstance(count, int) or not 0 <= count <= MAX_INTEGER:
        raise ValueError
    return count


def flag(value: Any) -> bool:
    """Take a truth value, which 0 and 1 are."""
    if value is True or value is False:
        return value
    if not hasattr(value, "__index__") and not hasattr(value, "__bool__"):
        raise TypeError
    return (False, True)[(0, 1).index(value)]


def cache_seconds(value: Any) -> bool | int | float:
    """Take how long a result is kept: as long as the cache does, or for seconds."""
    if value is True or value is False:
        return value
    duration = number(value)
    if not 0 <= duration <= MAX_SECONDS:
        raise ValueError
    return duration


@lru_cache(maxsize=1024)
def is_path(name: str) -> bool:
    """Whether a text can be a dotted path."""
    return all(part.isidentifier() for part in name.split("."))


def function(value: Any) -> Any:
    """Take what can be called, or the path of that."""
    if isinstance(value, (str, Promise)):
        path = text(value)
        if not is_path(path):
            raise ValueError
        return path
    if not callable(value):
        raise TypeError
    return value


def hook(value: Any) -> Any:
    """Take a function, or an empty text for none."""
    return None if isinstance(value, str) and not value else function(value)


def broker(value: Any) -> Any:
    """Take a broker, not its name or class."""
    if isinstance(value, type) or not callable(getattr(value, "enqueue", None)):
        raise TypeError
    return value


def client(value: Any) -> Any:
    """Take a client of Redis, not its address."""
    if isinstance(value, type) or not callable(getattr(value, "rpush", None)):
        raise TypeError
    return value


def shown(value: Any) -> str:
    """Show a value in a few words."""
    try:
        found = safe_repr(value)
    except ValueError:  # a number of thousands of digits
        found = f"a {type(value).__name__}"
    return found if len(found) <= MAX_SHOWN_LENGTH else f"{found[:MAX_SHOWN_LENGTH]}..."


def items(value: Any, what: str) -> Iterable[Any]:
    """Take several of something. Raises ``PackageError`` for text, and for what is only one."""
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
        raise PackageError(f"{what} must be a list or another iterable; got {shown(value)}.")
    return value


def task_id(value: Any) -> str:
    """Take the id or the name of a task that is looked for."""
    if isinstance(value, UUID):
        return value.hex
    return search_text(value, "the id or the name of a task, such as async_task() returns")


def group_id(value: Any) -> str:
    """Take the name of a group that is looked for."""
    return search_text(value, "the name of a group, such as was given as group=")


def search_text(value: Any, expected: str) -> str:
    """Take a text that is looked for."""
    if type(value) is str:
        return value
    try:
        return text(value)
    except Exception as error:
        raise PackageError(f"Expected {expected}; got {shown(value)}.") from error


def milliseconds(value: Any) -> int | float:
    """Take how long to wait."""
    if type(value) is int and abs(value) < MAX_INTEGER:
        return value
    if isinstance(value, timedelta):
        value = value / timedelta(milliseconds=1)
    expected = "a number of milliseconds, 0 to look once, or -1 to wait for ever"
    try:
        found = number(value)
    except Exception as error:
        raise PackageError(f"'wait' must be {expected}; got {shown(value)}.") from error
    return found if abs(found) <= MAX_SECONDS * 1000 else math.copysign(MAX_SECONDS * 1000, found)


def closest_name_hint(name: object, names: Iterable[str]) -> str:
    """Ask whether a name was meant that is like it; an empty text where there is none."""
    close = get_close_matches(str(name).lower(), sorted(names), n=1, cutoff=0.7)
    return f"Did you mean '{close[0]}'?" if close else ""
