"""Packages that are signed and readable, and can not be run: another producer's, or made by hand.

They end as failures, with what they say of themselves and made-up values for what they do not, so
that somebody hears of them: a row, a hook, the end of an iterable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from django_q.exceptions import PackageError, safe_repr
from django_q.humanhash import humanize
from django_q.wire.option_types import text
from django_q.wire.options import normalize_option
from django_q.wire.package import PACKAGE_OPTIONS, as_args, derived_id

#: Keys of which a dictionary has one at least that is meant as a package. A heartbeat has none.
IDENTIFYING_KEYS = frozenset({"id", "func"})
#: Never tried again: it would be as invalid the next time.
NO_RETRY_OPTIONS = {"max_attempts": 1, "ack_failure": True}


class InvalidPackage(dict):
    """A package that can not be run, complete enough to be recorded as a failure."""

    reason: str


def make_invalid_package(value: Any, payload: str | bytes, reason: str) -> InvalidPackage | None:
    """Make what can be recorded of a package; None where the value is not meant as one.

    What has stopped is a result from a cache: a failure of its id would take its place.
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
    for name in (PACKAGE_OPTIONS - {"task_name"}) & value.keys():
        try:
            package[name] = normalize_option(name, value[name])
        except PackageError:  # maybe the reason
            continue
    package.update(NO_RETRY_OPTIONS)
    package.reason = reason
    return package


def valid_id(value: Any, otherwise: str) -> str:
    """Take an id that a row can have, or another one."""
    if isinstance(value, UUID):
        return value.hex
    return value if isinstance(value, str) and 0 < len(value) <= 32 else otherwise


def valid_name(value: Any, task_id: str) -> str:
    """Take a name, or make one as tasks are named."""
    with contextlib.suppress(Exception):  # whatever a value does that is asked what it is
        if name := text(value):
            return name
    try:
        return humanize(task_id)
    except ValueError:  # an id that is none of ours
        return task_id


def valid_time(value: Any) -> datetime:
    """Take a time that every database stores, or the time it is."""
    if isinstance(value, datetime) and 1 < value.year < 9999:
        return value
    return timezone.now()
