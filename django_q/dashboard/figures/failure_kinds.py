"""The failures of the last hour by kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import ngettext

from django_q.dashboard.display import class_name, near_time, wrapping_path
from django_q.models import Task
from django_q.models.task import HAS_ENDED

#: Failures that are read at most, the latest.
MAX_READ_FAILURES = 1000
#: Kinds that are shown at most, the most frequent first.
MAX_SHOWN_KINDS = 10
KIND_SPAN = timedelta(hours=1)


@dataclass
class FailureKind:
    """Failures of one fingerprint; those without one, by the class of their exception."""

    fingerprint: str
    exception: str
    #: The function of the latest.
    func: str
    count: int
    first: datetime
    last: datetime

    @property
    def error(self) -> str:
        """The name of the exception's class."""
        return class_name(self.exception)

    @property
    def function(self) -> str:
        """The function, which may wrap."""
        return wrapping_path(self.func)

    @property
    def first_seen(self) -> str:
        """When the first of those that were read has ended."""
        return near_time(self.first)

    @property
    def last_seen(self) -> str:
        """When the last one has ended."""
        return near_time(self.last)


@dataclass(frozen=True)
class FailureKinds:
    """The kinds of failures since a moment."""

    shown: list[FailureKind]
    #: How many failures were read, and whether there are more.
    count: int
    is_cut: bool
    #: Kinds that are not shown.
    more: int

    @property
    def more_text(self) -> str:
        """Say how many kinds are not shown."""
        text = ngettext("%(number)d more kind", "%(number)d more kinds", self.more)
        return text % {"number": self.more}


def failure_kinds(now: datetime) -> FailureKinds:
    """Group the failures of the last hour, the most frequent first, from at most 1,000 rows."""
    rows = Task.objects.filter(HAS_ENDED, success__in=[False], stopped__gte=now - KIND_SPAN)
    columns = ("fingerprint", "exception", "func", "stopped")
    found = list(rows.order_by("-stopped").values_list(*columns)[: MAX_READ_FAILURES + 1])
    kinds: dict[tuple[str, str], FailureKind] = {}
    for fingerprint, exception, func, stopped in found[:MAX_READ_FAILURES]:
        key = (fingerprint or "", exception or "")
        kind = kinds.setdefault(key, FailureKind(*key, func, 0, stopped, stopped))
        kind.count += 1
        kind.first = stopped
    ranked = sorted(kinds.values(), key=lambda kind: -kind.count)
    return FailureKinds(
        shown=ranked[:MAX_SHOWN_KINDS],
        count=min(len(found), MAX_READ_FAILURES),
        is_cut=len(found) > MAX_READ_FAILURES,
        more=max(len(ranked) - MAX_SHOWN_KINDS, 0),
    )
