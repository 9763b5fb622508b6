"""The settings in force, fit to be pasted into a bug report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

from django_q import __version__
from django_q.conf import Conf, Settings
from django_q.printable import LONG, printable

HIDDEN = SafeExceptionReporterFilter.cleansed_substitute

#: What follows from settings and is no field.
DERIVED = ("SECRET_KEY", "Q_LIST", "Q_STAT", "QSIZE")
#: The password of a URL, and secrets among its parameters.
URL_SECRETS = (
    (re.compile(r"(://[^:/@\s]*:)\S*@"), rf"\1{HIDDEN}@"),
    (
        re.compile(r"([?&][^=&\s]*(?:pass|secret|token|key)[^=&\s]*=)[^&\s'\"]+", re.I),
        rf"\1{HIDDEN}",
    ),
)


class SecretFilter(SafeExceptionReporterFilter):
    """Hides what Django hides on its error pages, and what error reporters are given."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|DSN|CREDENTIAL|PWD", re.I
    )


def lines() -> Iterator[str]:
    """Write each setting that has a value, by name, without secrets."""
    yield f"VERSION: {__version__}"
    for name in sorted([*(field.name for field in fields(Settings)), *DERIVED]):
        value = getattr(Conf, name)
        if value is not None:
            yield f"{name}: {printable(without_secrets(name, value), LONG)}"


def without_secrets(name: str, value: Any) -> str:
    """Write a value without passwords and keys, however deep they are."""
    text = str(SecretFilter().cleanse_setting(name, value))
    for pattern, replacement in URL_SECRETS:
        text = pattern.sub(replacement, text)
    return text
