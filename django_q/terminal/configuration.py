"""The settings in force, fit to be pasted into a bug report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django_q import __version__
from django_q.conf import Conf, Settings
from django_q.text import redaction
from django_q.text.printable import MAX_TEXT_CHARACTERS, printable

#: What follows from settings and is no field.
DERIVED_SETTINGS = ("SECRET_KEY", "Q_LIST", "Q_STAT", "QSIZE")


def setting_lines() -> Iterator[str]:
    """Write each setting that has a value, by name, without secrets."""
    yield f"VERSION: {__version__}"
    for name in sorted([*(field.name for field in fields(Settings)), *DERIVED_SETTINGS]):
        value = getattr(Conf, name)
        if value is not None:
            yield f"{name}: {printable(without_secrets(name, value), MAX_TEXT_CHARACTERS)}"


def without_secrets(name: str, value: Any) -> str:
    """Write a value as far as it is known to be harmless."""
    return redaction.redact_setting(name, value)
