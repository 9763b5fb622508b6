"""What a task can have of its caller's context: language, time zone, trace, context variables."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from datetime import timezone as fixed_zone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from django_q.caller_context.tracing import OPENTELEMETRY, current_trace, enter_trace

#: Stands for a value that does not travel: none is set, or it is the default one.
NOT_SET = object()


def read_language() -> Any:
    """Return the active language, unless it is that of the settings."""
    language = translation.get_language()
    return NOT_SET if language in (None, settings.LANGUAGE_CODE) else language


def read_time_zone() -> Any:
    """Return the name of the current time zone, or its seconds from UTC, unless it is the default.

    Raises ``TypeError`` for one that has neither.
    """
    zone = timezone.get_current_timezone()
    if zone == timezone.get_default_timezone():
        return NOT_SET
    if isinstance(zone, fixed_zone):
        return zone.utcoffset(None).total_seconds()
    if not isinstance(key := getattr(zone, "key", None), str):
        raise TypeError(f"a time zone must have a name or a fixed offset, got {zone!r}")
    return key


def set_time_zone(value: Any) -> None:
    """Activate a time zone by its name, or by its seconds from UTC."""
    is_name = isinstance(value, str)
    timezone.activate(ZoneInfo(value) if is_name else fixed_zone(timedelta(seconds=value)))


def read_trace() -> Any:
    """Return the current trace as text, unless there is none. Raises ``ModuleNotFoundError``."""
    return current_trace() or NOT_SET


#: How the values of names that are no paths are read and set.
FRAMEWORK_NAMES: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "language": (read_language, translation.activate),
    "timezone": (read_time_zone, set_time_zone),
    OPENTELEMETRY: (read_trace, enter_trace),
}


def read_value(name: str) -> Any:
    """Return the value of a name in the current context; ``NOT_SET`` if it is not to travel."""
    if name in FRAMEWORK_NAMES:
        return FRAMEWORK_NAMES[name][0]()
    return variable(name).get(NOT_SET)


def set_value(name: str, value: Any) -> None:
    """Set the value of a name in the current context."""
    if name in FRAMEWORK_NAMES:
        FRAMEWORK_NAMES[name][1](value)
    else:
        variable(name).set(value)


@lru_cache(maxsize=64)
def variable(path: str) -> ContextVar:
    """Import a context variable. Raises what its module raises, and ``TypeError``."""
    found = import_string(path)
    if not isinstance(found, ContextVar):
        raise TypeError(f"'{path}' must be a contextvars.ContextVar, got {type(found).__name__}")
    return found
