"""Packages that are signed and readable, but can not be run: of other producers, or made by hand.

They are completed as failures, so that they do not go unnoticed: with a row, a call of the hook,
and as an item of their iterable. Values that such a package lacks are made up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from django_q.exceptions import PackageError
from django_q.humanhash import humanize
from django_q.text.error_text import safe_repr
from django_q.wire.framework_call import FRAMEWORK_KEYS
from django_q.wire.option_types import text
from django_q.wire.options import normalize_option
from django_q.wire.package import PACKAGE_OPTIONS, as_args, derived_id

#: A dictionary with one of these keys is taken for a package. A heartbeat has none of them.
IDENTIFYING_KEYS = frozenset({"id", "func"})
#: Options that prevent another attempt: the package would be as invalid the next time.
NO_RETRY_OPTIONS = {"max_attempts": 1, "ack_failure": True}


class InvalidPackage(dict):
    """A package that can not be run, complete enough to be recorded as a failure."""

    reason: str


def make_invalid_package(value: Any, payload: str | bytes, reason: str) -> InvalidPackage | None:
    """Make a package that can be recorded as a failure; None if the value is not taken for one.

    A value with ``stopped`` is a result from a cache: a failure of the same id would replace it.
    """
    if not isinstance(value, Mapping) or not IDENTIFYING_KEYS & value.keys() or "stopped" in value:
        return None
    # Derived, so that a second delivery makes the same row.
    seed = payload if isinstance(payload, str) else repr(bytes(payload))
    task_id = valid_id(value.get("id"), derived_id("invalid", seed))
    func, args, kwargs = value.get("func"), value.get("args"), value.get("kwargs")
    package = InvalidPackage(
        id=task_id,
        name=valid_name(value.get("name"), task_id),
        func=func if isinstance(func, str) or callable(func) else safe_repr(func),
        args=as_args(args),
        kwargs=kwargs if isinstance(kwargs, dict) else {},
        started=valid_time(value.get("started")),
    )
    for name in (PACKAGE_OPTIONS - {"task_name"} | FRAMEWORK_KEYS) & value.keys():
        try:
            package[name] = normalize_option(name, value[name])
        except PackageError:  # may be the reason why it is invalid
            continue
    package.update(NO_RETRY_OPTIONS)
    package.reason = reason
    return package


def valid_id(value: Any, otherwise: str) -> str:
    """Return a value that can be the id of a row, and ``otherwise`` in place of another."""
    if isinstance(value, UUID):
        return value.hex
    return value if isinstance(value, str) and 0 < len(value) <= 32 else otherwise


def valid_name(value: Any, task_id: str) -> str:
    """Return the name of a task, or one made from its id where the value is none."""
    with contextlib.suppress(Exception):  # any value: its class may raise anything
        if name := text(value):
            return name
    try:
        return humanize(task_id)
    except ValueError:  # an id that is no UUID in hexadecimal digits
        return task_id


def valid_time(value: Any) -> datetime:
    """Return a time that every database can store, and the current time in place of another."""
    if isinstance(value, datetime) and 1 < value.year < 9999:
        return value
    return timezone.now()
