"""The language and the time zone that code finds, and that what it calls may leave changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from django.utils import timezone, translation


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have the language and the time zone of the caller again when a block is over."""
    language, zone = translation.get_language(), timezone.get_current_timezone()
    with translation.override(language), timezone.override(zone):
        yield


class Surroundings:
    """Those of a process that calls one thing after the other and has none of its own."""

    def __init__(self) -> None:
        self.context = copy_context()

    def restore(self) -> None:
        """Go back to the language and the time zone of the settings, with which a request begins.

        Django keeps what is active in context variables. Where those are as they were so is that,
        and to compare takes a fiftieth of the 5 microseconds of deactivating both.
        """
        if self.has_changed():
            translation.deactivate()
            timezone.deactivate()
            self.context = copy_context()

    def has_changed(self) -> bool:
        """Whether any context variable has another value, as far as can be told."""
        try:
            return copy_context() != self.context
        except Exception:  # of a value that can not be compared
            return True
