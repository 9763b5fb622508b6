"""Failures by kind, and running them again at a rate, for ``qfail``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import timezone

from django_q.calls.resubmission import oldest_failures, resubmit_each
from django_q.dashboard.failures.kinds import Kind, find_first, find_kinds
from django_q.exceptions import DjangoQError
from django_q.terminal.interactive.columns import Column
from django_q.terminal.lists.output import time_column

#: Characters of a fingerprint, of which the first are enough.
FINGERPRINT_LENGTH = 32
MIN_PREFIX_LENGTH = 4
#: Characters of it in a table.
SHOWN_PREFIX_LENGTH = 12


class UnknownKind(DjangoQError):
    """Raised when no failure, or more than one kind, has a fingerprint."""


KIND_COLUMNS = (
    Column("Kind", lambda kind: kind.fingerprint[:SHOWN_PREFIX_LENGTH] or "-"),
    Column("Number", lambda kind: kind.count),
    Column("Last", lambda kind: time_column(kind.last)),
    Column("First", lambda kind: time_column(kind.first), from_width=110),
    Column("Exception", lambda kind: kind.exception, share=1, keeps_end=True),
    Column("Function", lambda kind: kind.func, share=1, keeps_end=True),
)


def newest_kinds(limit: int) -> tuple[list[Kind], list[str]]:
    """Return the kinds of failures, those that are most first, and notes on what they are of."""
    found = find_kinds(timezone.now())
    kinds = found.kinds[:limit]
    if not found.is_limited:
        return kinds, []
    find_first(kinds)
    since = time_column(found.looked_back_to)
    return kinds, [f"Counted the newest {found.looked} failures, back to {since}."]


def kind_as_dict(kind: Kind) -> dict[str, Any]:
    """Turn a kind into a dictionary for JSON."""
    return {
        "kind": kind.fingerprint,
        "exception": kind.exception,
        "func": kind.func,
        "count": kind.count,
        "first": kind.first,
        "last": kind.last,
        "sample_id": kind.sample_id,
        "sample_name": kind.sample_name,
        "hours": kind.hours,
    }


def whole_fingerprint(text: str) -> str:
    """Complete the beginning of a fingerprint. Raises ``UnknownKind``."""
    text = text.strip().lower()
    if len(text) == FINGERPRINT_LENGTH:
        return text
    known = {kind.fingerprint for kind in find_kinds(timezone.now()).kinds}
    found = sorted(each for each in known if each.startswith(text))
    if len(text) < MIN_PREFIX_LENGTH or len(found) != 1:
        raise UnknownKind(
            f"Expected the fingerprint of a kind of failures, or its first {MIN_PREFIX_LENGTH} or "
            f"more characters; got {text!r}, which {len(found)} kinds begin with. qfail lists them."
        )
    return found[0]


def resubmit_slowly(
    fingerprint: str,
    limit: int,
    rate: float | None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[tuple[str, str, str]]:
    """Run failures of a kind again, at most so many a second; yields as ``resubmit_each`` does."""
    ids = oldest_failures(fingerprint, limit)
    if rate is None:
        yield from resubmit_each(ids)
        return
    for index, task_id in enumerate(ids):
        if index:
            sleep(1 / rate)
        yield from resubmit_each([task_id])
