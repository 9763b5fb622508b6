"""Replace options of a package by plain values, which the monitor can compare and store.

Anybody who has the key can sign a package. Its options may be of any class: lists, which no column
for labels can hold, arrays, which have no truth value, or classes that only a worker can import.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from django_q.text.error_text import safe_str
from django_q.wire.package import REQUIRED_KEYS

#: Types whose values can be compared, hashed and stored as they are.
PLAIN_TYPES = frozenset({type(None), bool, int, float, str, datetime})
#: Keys whose values may be of any class and are handled as such, or are written by the cluster.
UNCHANGED_KEYS = frozenset(
    {
        *REQUIRED_KEYS,
        *("hook", "chain", "chain_options"),
        *("ack_id", "attempt", "leased_until", "result", "success", "stopped"),
        *("begun", "worker", "expired", "exception", "fingerprint"),
        *("retry_on", "no_retry_on"),
        *("ends", "ended_count", "deaths", "position", "last_position"),
        *("cancelled", "retry_in", "stopped_at"),
    }
)
#: Keys that a package may have which was enqueued without options.
WITHOUT_OPTIONS = UNCHANGED_KEYS | {"cluster"}


def make_options_plain(package: Any) -> None:
    """Replace each option whose type is not plain by the closest plain value."""
    if not 1 < package["started"].year < 9999:  # such a time is out of range in some time zone
        package["started"] = timezone.now()
    if type(package.get("cluster")) is str and WITHOUT_OPTIONS.issuperset(package):
        return
    if not isinstance(package.get("group", ""), str):
        package.pop("iter_count", None)  # no iterable has such an id
    for key in package.keys() - UNCHANGED_KEYS:
        if type(package[key]) not in PLAIN_TYPES:
            package[key] = closest_plain_value(package[key])


def closest_plain_value(value: Any) -> Any:
    """Return the value as a bool, a number or a text: of subclasses of these, else its text."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return safe_str(value)
