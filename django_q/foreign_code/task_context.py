"""The context variables of a task, such as language and time zone: changes end with the task."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from django.core.cache import caches


def in_own_context(call: Callable, *args: Any) -> Any:
    """Call a function in a copy of the context: what it sets there does not outlive the call.

    Django keeps the language and the time zone in context variables. It keeps cache objects
    there, too: those are kept, as each may have a connection of its own.
    """
    context = copy_context()
    before = len(context)
    try:
        return context.run(call, *args)
    finally:
        if len(context) > before:
            keep_caches(context)


def keep_caches(context: Context) -> None:
    """Keep the cache objects that were made in another context in the current one, too."""
    ours = caches._connections
    for alias in caches:
        if not hasattr(ours, alias) and (made := context.run(getattr, ours, alias, None)):
            caches[alias] = made
