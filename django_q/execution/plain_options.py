"""Make the options of a package plain, so that whoever completes it can compare and store them.

A package may come from anybody who has the key. Its options may be of any class: lists, which no
table of labels takes, arrays, which are neither true nor false, or classes that only a worker can
make again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from django_q.exceptions import safe_str
from django_q.wire.package import REQUIRED_KEYS

#: What can be compared, hashed and stored as it is.
PLAIN_TYPES = frozenset({type(None), bool, int, float, str, datetime})
#: What holds anything and is dealt with as such, and what the cluster itself has written.
UNCHANGED_KEYS = frozenset(
    {
        *REQUIRED_KEYS,
        *("hook", "chain", "chain_options"),
        *("ack_id", "attempt", "leased_until", "result", "success", "stopped"),
    }
)
#: What a package has that was enqueued without options.
WITHOUT_OPTIONS = UNCHANGED_KEYS | {"cluster"}


def make_options_plain(package: Any) -> None:
    """Put text in the place of options that are anything else than plain."""
    if not 1 < package["started"].year < 9999:  # no time in some time zone
        package["started"] = timezone.now()
    if type(package.get("cluster")) is str and WITHOUT_OPTIONS.issuperset(package):
        return
    if not isinstance(package.get("group", ""), str):
        package.pop("iter_count", None)  # it names no iterable
    for key in package.keys() - UNCHANGED_KEYS:
        if type(package[key]) not in PLAIN_TYPES:
            package[key] = closest_plain_value(package[key])


def closest_plain_value(value: Any) -> Any:
    """Give a number, or a text, that comes closest to a value."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return safe_str(value)
