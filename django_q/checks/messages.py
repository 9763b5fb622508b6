"""Messages that more than one check returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from django_q.checks.redaction import quote_or_redact

Messages = Iterator[CheckMessage]


def not_a_dictionary(where: str, value: Any) -> CheckMessage:
    """Make the error for options that are not a dictionary."""
    text = f"{where} must be a dictionary; got a {type(value).__name__}."
    return Error(text, id="django_q.E001")


def no_effect(option: str, reason: str, hint: str | None = None) -> CheckMessage:
    """Make the warning for an option that has no effect."""
    return Warning(f"{option} has no effect: {reason}.", hint=hint, id="django_q.W006")


def not_found(option: str, value: str, what: str, near: Iterable = ()) -> CheckMessage:
    """Make the error for a name that does not exist, with the nearest one, or all, as a hint."""
    names = [str(name) for name in near]
    close = get_close_matches(value, names, n=1)
    hint = f"Did you mean '{close[0]}'?" if close else None
    if not close and names:
        hint = f"There {'are' if len(names) > 1 else 'is'} {', '.join(map(repr, names))}."
    text = f"{option}: there is no {what} {quote_or_redact(value, near)}."
    return Error(text, hint=hint, id="django_q.E005")
