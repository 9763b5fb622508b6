"""Convert values of options to the form in which they are used.

Each function takes any value that can mean only one thing, and returns it in that form, or raises
any error: the caller turns that into an error that says what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from numbers import Number
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.timezone import get_default_timezone, is_naive

from django_q.exceptions import PackageError
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.text.error_text import safe_repr
from django_q.text.function_names import exception_path
from django_q.wire.callables import called_by_name, sent_name

#: The longest time limit, in seconds: a hundred years. Timers of the system have a maximum.
MAX_SECONDS = 100 * 366 * 86400
#: The years in which a task may come due or expire: later ones do not fit each broker's clock.
MIN_YEAR, MAX_YEAR = 1970, 9998
#: Priorities, as Django has them.
MIN_PRIORITY, MAX_PRIORITY = -100, 100
#: What a call does where its unique key is taken: give the id of the other task, put its own call
#: in the place of one that waits, or raise ``AlreadyEnqueued``.
EXISTING, REPLACE, REJECT = DUPLICATE_CHOICES = ("existing", "replace", "reject")
#: What True means for the option ``retry_backoff``, and the largest factor.
DEFAULT_BACKOFF, MAX_BACKOFF = 2, 1000
#: The largest value of an integer column.
MAX_INTEGER = 2**31 - 1
#: The most characters of a queue's name, as of its column.
MAX_QUEUE_NAME_LENGTH = 100
#: The most characters of a value that an error shows.
MAX_SHOWN_LENGTH = 100
#: Types whose ``str`` is the only way to write them.
TEXT_TYPES = (Number, UUID, date, time, PurePath)
#: Types of numbers. To look for the first two takes a tenth of the time of a look for the last.
NUMBER_TYPES = (int, float, Number)


def text(value: Any) -> str:
    """Convert a text, lazy text, number, UUID, date, time or path to text."""
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
    """Convert a label to text; an empty one means None."""
    return text(value) or None


def queue_name(value: Any) -> str | None:
    """Convert a name that every broker can give to a queue; an empty one means None."""
    name = text(value)
    if not name.isprintable() or len(name) > MAX_QUEUE_NAME_LENGTH:
        raise ValueError
    return name or None


def number(value: Any) -> int | float:
    """Convert a number, digits, or a timedelta in seconds to a number."""
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, (str, Promise)):
        value = float(str(value))
    elif not isinstance(value, NUMBER_TYPES):
        raise TypeError
    exact = float(value)  # raises OverflowError
    if not math.isfinite(exact):
        raise ValueError
    if type(value) is int or (type(value) is float and not exact.is_integer()):
        return value
    return int(value) if isinstance(value, int) or exact.is_integer() else exact


def seconds(value: Any) -> int | float:
    """Convert a time limit to seconds; a negative one means no limit."""
    limit = number(value)
    if abs(limit) > MAX_SECONDS:
        raise ValueError
    return limit


def non_negative_integer(value: Any) -> int:
    """Convert a count to an integer that a column can hold."""
    count = number(value)
    if not isinstance(count, int) or not 0 <= count <= MAX_INTEGER:
        raise ValueError
    return count


def priority(value: Any) -> int:
    """Convert a priority to an integer."""
    found = number(value)
    if not isinstance(found, int) or not MIN_PRIORITY <= found <= MAX_PRIORITY:
        raise ValueError
    return found


def duration(value: Any) -> int | float:
    """Convert a time from now on, or a span of time, to seconds."""
    found = number(value)
    if not 0 <= found <= MAX_SECONDS:
        raise ValueError
    return found


def positive_duration(value: Any) -> int | float:
    """Convert a span of time to seconds, which must be above zero."""
    if not (found := duration(value)):
        raise ValueError
    return found


def backoff(value: Any) -> int | float:
    """Convert a factor from 1 on; True means ``DEFAULT_BACKOFF``, False that no delay grows."""
    if value is True or value is False:
        return DEFAULT_BACKOFF if value else 1
    factor = number(value)
    if isinstance(value, timedelta) or not 1 <= factor <= MAX_BACKOFF:
        raise ValueError
    return factor


def share(value: Any) -> int | float:
    """Convert a share from 0 to 1; True means the whole, False nothing."""
    if value is True or value is False:
        return int(value)
    found = number(value)
    if isinstance(value, timedelta) or not 0 <= found <= 1:
        raise ValueError
    return found


def exceptions(value: Any) -> list[str]:
    """Convert exception classes, or their dotted paths, to a list of paths; one stands for itself.

    Nothing is imported: the class may be one that only the worker has.
    """
    if isinstance(value, (str, Promise, type)):
        return [exception(value)]
    if isinstance(value, (bytes, dict)) or not isinstance(value, Iterable):
        raise TypeError
    return [exception(each) for each in value]


def exception(value: Any) -> str:
    """Convert an exception class to its path, or check a path."""
    if isinstance(value, type):
        if not issubclass(value, BaseException):
            raise TypeError
        return exception_path(value)
    path = text(value).removeprefix("builtins.")
    if not is_path(path.replace("<locals>", "locals")):
        raise ValueError
    return path


def run_after(value: Any) -> int | float | str:
    """Convert a time: to seconds from now on, or to text where it is a time of the calendar."""
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, (str, Promise)):
        try:
            value = number(value)
        except ValueError:
            return utc_text(parse_datetime(str(value).strip()))
    return duration(value)


def expires(value: Any) -> int | float | str:
    """Convert a time as above; it must not be over at once."""
    return run_after(value) or positive_duration(value)


def utc_text(value: datetime | None) -> str:
    """Write a time in UTC as ISO 8601. Without a time zone, it is local where Django says so."""
    if value is None or (is_naive(value) and settings.USE_TZ):
        raise ValueError
    if is_naive(value):
        value = value.replace(tzinfo=get_default_timezone())
    value = value.astimezone(timezone.utc)
    if not MIN_YEAR <= value.year <= MAX_YEAR:
        raise ValueError
    return value.isoformat()


def key(value: Any) -> str:
    """Convert a key to text, which must not be empty."""
    if not (found := text(value)):
        raise ValueError
    return found


def unique(value: Any) -> bool | str | None:
    """Convert the option ``unique``: True, or a key. False means None; 1 is a key as any number."""
    if value is True or value is False:
        return value or None
    return key(value)


def on_duplicate(value: Any) -> str:
    """Convert the option ``on_duplicate`` to one of ``DUPLICATE_CHOICES``."""
    found = text(value)
    if found not in DUPLICATE_CHOICES:
        raise ValueError
    return found


def flag(value: Any) -> bool:
    """Convert True, False, 0 or 1 to a truth value."""
    if value is True or value is False:
        return value
    if not hasattr(value, "__index__") and not hasattr(value, "__bool__"):
        raise TypeError
    return (False, True)[(0, 1).index(value)]


def cache_seconds(value: Any) -> bool | int | float:
    """Convert the option ``cached``: a truth value, or the seconds for which a result is kept."""
    if value is True or value is False:
        return value
    return duration(value)


@lru_cache(maxsize=1024)
def is_path(name: str) -> bool:
    """Return True if a text can be a dotted path."""
    return all(part.isidentifier() for part in name.split("."))


def function(value: Any) -> Any:
    """Check a callable, or convert its dotted path to text.

    A task of Django's tasks framework is called by the path of its function, which has the task in
    its place: as any other object it would be pickled.
    """
    if isinstance(value, (str, Promise)):
        path = text(value)
        if not is_path(path):
            raise ValueError
        return path
    if isinstance(value, FunctionWithOptions):
        return sent_name(value)
    if not callable(value):
        return called_by_name(value)
    return value


def hook(value: Any) -> Any:
    """Check a function as above; an empty text means none."""
    return None if isinstance(value, str) and not value else function(value)


def broker(value: Any) -> Any:
    """Check a broker; neither its name nor its class is one."""
    if isinstance(value, type) or not callable(getattr(value, "enqueue", None)):
        raise TypeError
    return value


def client(value: Any) -> Any:
    """Check a Redis client; its address or class is none."""
    if isinstance(value, type) or not callable(getattr(value, "rpush", None)):
        raise TypeError
    return value


def shown(value: Any) -> str:
    """Represent a value in an error, in at most ``MAX_SHOWN_LENGTH`` characters."""
    try:
        found = safe_repr(value)
    except ValueError:  # an integer with thousands of digits
        found = f"a {type(value).__name__}"
    return found if len(found) <= MAX_SHOWN_LENGTH else f"{found[:MAX_SHOWN_LENGTH]}..."


def items(value: Any, what: str) -> Iterable[Any]:
    """Check an iterable of items. Raises ``PackageError`` for text, and for a single item."""
    if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
        raise PackageError(f"{what} must be a list or another iterable; got {shown(value)}.")
    return value


def task_id(value: Any) -> str:
    """Convert the id or name of a task that is looked up."""
    if isinstance(value, UUID):
        return value.hex
    return search_text(value, "the id or the name of a task, such as async_task() returns")


def group_id(value: Any) -> str:
    """Convert the name of a group that is looked up."""
    return search_text(value, "the name of a group, such as was given as group=")


def search_text(value: Any, expected: str) -> str:
    """Convert a search text. Raises ``PackageError`` that says what was expected."""
    if type(value) is str:
        return value
    try:
        return text(value)
    except Exception as error:
        raise PackageError(f"Expected {expected}; got {shown(value)}.") from error


def milliseconds(value: Any) -> int | float:
    """Convert the option ``wait`` to milliseconds. Raises ``PackageError``."""
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
    """Write a hint to the known name that is most like ``name``; empty where none is similar."""
    close = get_close_matches(str(name).lower(), sorted(names), n=1, cutoff=0.7)
    return f"Did you mean '{close[0]}'?" if close else ""
