"""Failures by kind: how many of each, since when, and how they are spread over a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import QuerySet

from django_q.models import Task
from django_q.models.task import HAS_ENDED, with_outcome

#: The newest failures, of which the kinds are found.
MAX_LOOKED_FAILURES = 10_000
#: The hours over which failures are counted.
TREND_HOURS = 24
LOOKED_COLUMNS = ("fingerprint", "exception", "func", "stopped", "pk", "name")


@dataclass
class Kind:
    """Failures of one kind. Those of earlier releases have no fingerprint: there it is empty."""

    fingerprint: str
    #: The path of the exception's class, and the function of the newest task.
    exception: str
    func: str
    #: The newest of them.
    sample_id: str
    sample_name: str
    last: datetime
    first: datetime
    count: int = 0
    #: How many ended in each hour until now, the oldest hour first.
    hours: list[int] = field(default_factory=lambda: [0] * TREND_HOURS)


class Kinds(NamedTuple):
    """All kinds among the newest failures, those that are most first."""

    kinds: list[Kind]
    #: How many failures were looked at, and back to when.
    looked: int
    looked_back_to: datetime | None
    #: Whether there are older ones.
    is_limited: bool
    #: How many ended in each hour.
    hours: list[int]


def failures() -> QuerySet:
    """Return the rows of failures, without those that are run again."""
    return with_outcome(Task.objects.filter(HAS_ENDED), success=False)


def failures_of(fingerprint: str) -> QuerySet:
    """Return the rows of the failures of a kind."""
    return failures().filter(fingerprint=fingerprint)


def find_kinds(now: datetime, span: timedelta | None = None, most: int | None = None) -> Kinds:
    """Look at the newest failures, by their index; with ``span`` only back to then.

    At most 10,000 are looked at, or ``most``.
    """
    most = most or MAX_LOOKED_FAILURES
    since = {"stopped__gte": now - span} if span else {}
    newest = failures().filter(**since).order_by("-stopped", "-pk").values_list(*LOOKED_COLUMNS)
    rows = list(newest[: most + 1])
    is_limited, rows = len(rows) > most, rows[:most]
    found: dict[tuple[str, ...], Kind] = {}
    total = [0] * TREND_HOURS
    for fingerprint, exception, func, stopped, task_id, name in rows:
        key = (fingerprint,) if fingerprint else (exception or "", func)
        kind = found.get(key)
        if kind is None:
            told = (fingerprint or "", exception or "", func, task_id, name)
            kind = found[key] = Kind(*told, last=stopped, first=stopped)
        kind.count += 1
        kind.first = stopped
        if (hour := hour_of(stopped, now)) is not None:
            kind.hours[hour] += 1
            total[hour] += 1
    kinds = sorted(found.values(), key=lambda kind: (kind.count, kind.last), reverse=True)
    oldest = rows[-1][LOOKED_COLUMNS.index("stopped")] if rows else None
    return Kinds(kinds, len(rows), oldest, is_limited, total)


def hour_of(moment: datetime, now: datetime) -> int | None:
    """Return which of the hours until now a time is in; None for an earlier one."""
    age = max((now - moment) // timedelta(hours=1), 0)
    return TREND_HOURS - 1 - age if age < TREND_HOURS else None


def find_first(kinds: Iterable[Kind]) -> None:
    """Find out when kinds were first seen, beyond the failures that were looked at.

    A look into the index of fingerprints for each: to be called for those that are shown.
    """
    for kind in kinds:
        if kind.fingerprint:
            oldest = failures_of(kind.fingerprint).order_by("stopped")
            kind.first = oldest.values_list("stopped", flat=True).first() or kind.first
