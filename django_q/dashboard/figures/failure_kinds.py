"""The failures of the last hour by kind, as the overview shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import ngettext

from django_q.dashboard.display import class_name, near_time, wrapping_path
from django_q.dashboard.failures.kinds import Kind, find_kinds

#: Failures that are read at most, the latest.
MAX_READ_FAILURES = 1000
#: Kinds that are shown at most, the most frequent first.
MAX_SHOWN_KINDS = 10
KIND_SPAN = timedelta(hours=1)


@dataclass(frozen=True)
class FailureKind:
    """A kind of failures, in words."""

    kind: Kind

    @property
    def error(self) -> str:
        """The name of the exception's class."""
        return class_name(self.kind.exception)

    @property
    def function(self) -> str:
        """The function of the latest, which may wrap."""
        return wrapping_path(self.kind.func)

    @property
    def first_seen(self) -> str:
        """When the first of those that were read has ended."""
        return near_time(self.kind.first)

    @property
    def last_seen(self) -> str:
        """When the last one has ended."""
        return near_time(self.kind.last)


@dataclass(frozen=True)
class FailureKinds:
    """The kinds of failures of the last hour."""

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
    found = find_kinds(now, KIND_SPAN, MAX_READ_FAILURES)
    return FailureKinds(
        shown=[FailureKind(kind) for kind in found.kinds[:MAX_SHOWN_KINDS]],
        count=found.looked,
        is_cut=found.is_limited,
        more=max(len(found.kinds) - MAX_SHOWN_KINDS, 0),
    )
