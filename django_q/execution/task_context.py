"""What code finds around it, and may leave changed: context variables, the language among them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from django.core.cache import caches


def in_own_context(call: Callable, *args: Any) -> Any:
    """Make a call in a copy of the context, so that what it sets there ends with it.

    Django keeps the language and the time zone in context variables. It keeps caches there, too:
    those stay, as each may have a connection of its own.
    """
    context = copy_context()
    before = len(context)
    try:
        return context.run(call, *args)
    finally:
        if len(context) > before:
            keep_caches(context)


def keep_caches(context: Context) -> None:
    """Take over the caches that were made in another context."""
    ours = caches._connections
    for alias in caches:
        if not hasattr(ours, alias) and (made := context.run(getattr, ours, alias, None)):
            caches[alias] = made
