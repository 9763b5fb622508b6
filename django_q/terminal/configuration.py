"""The settings in force, without secrets, for a bug report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django_q import __version__
from django_q.checks import redaction
from django_q.conf import Conf, Settings
from django_q.text.printable import MAX_TEXT_CHARACTERS, printable

#: Values of ``Conf`` that follow from settings, and are no fields of ``Settings``.
DERIVED_SETTINGS = ("SECRET_KEY", "Q_LIST", "Q_STAT", "QSIZE")


def setting_lines() -> Iterator[str]:
    """Format each setting that has a value, sorted by name, without secrets."""
    yield f"VERSION: {__version__}"
    for name in sorted([*(field.name for field in fields(Settings)), *DERIVED_SETTINGS]):
        value = getattr(Conf, name)
        if value is not None:
            yield f"{name}: {printable(without_secrets(name, value), MAX_TEXT_CHARACTERS)}"


def without_secrets(name: str, value: Any) -> str:
    """Format a value, without the parts that may be secret."""
    return redaction.redact_setting(name, value)
