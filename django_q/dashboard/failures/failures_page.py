"""The page of failures by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_q.dashboard.access import VIEW_FAILURES
from django_q.dashboard.display import (
    class_name,
    near_time,
    single_line,
    time_element,
    wrapping_path,
)
from django_q.dashboard.failures.bars import bars
from django_q.dashboard.failures.kind_orders import KIND_ORDERS
from django_q.dashboard.failures.kinds import (
    TREND_HOURS,
    Kind,
    Kinds,
    find_first,
    find_kinds,
    hour_of,
)
from django_q.dashboard.page import Page
from django_q.dashboard.task_search.language import term_for

#: Kinds on a page.
PAGE_KINDS = 25


@dataclass
class KindRow:
    """A kind, as the page shows it."""

    kind: Kind
    exception: Any
    func: Any
    first: Any
    last: Any
    trend: Any
    sample: str
    sample_address: str
    all_address: str


class FailuresPage(Page):
    """The kinds of the newest failures: how many, since when, and of which hours."""

    template_name = "django_q/dashboard/failures.html"
    title = gettext_lazy("Failures by kind")
    section = "failures"
    permissions = VIEW_FAILURES
    orders = KIND_ORDERS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return a page of the kinds, the most frequent first."""
        now = timezone.now()
        found = find_kinds(now)
        start = page_start(request.GET.get("from"), len(found.kinds))
        shown = found.kinds[start : start + PAGE_KINDS]
        if found.is_limited:
            find_first(shown)
        pages = f"{request.resolver_match.namespace}:"
        unknown = uncounted_hours(found, now)
        rest = len(found.kinds) - start - len(shown)
        return {
            "rows": [row_of(kind, pages, unknown) for kind in shown],
            "trend": bars(found.hours, trend_text(found.hours), unknown),
            "hours": TREND_HOURS,
            "notes": list(notes(found)),
            # Not polled: it looks at thousands of rows.
            "is_still": True,
            "next": rest > 0 and f"?from={start + PAGE_KINDS}",
            "first": start and "?",
        }


def page_start(text: str | None, count: int) -> int:
    """Read from which kind on a page shows them; 0 for anything that is no such number."""
    start = int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0
    return start if start < count else 0


def row_of(kind: Kind, pages: str, unknown: int) -> KindRow:
    """Make the row of a kind."""
    unnamed = f"state:failed {term_for('func', kind.func)}"
    query = f"kind:{kind.fingerprint}" if kind.fingerprint else unnamed
    return KindRow(
        kind,
        class_name(kind.exception),
        wrapping_path(kind.func),
        time_element(kind.first),
        time_element(kind.last),
        bars(kind.hours, trend_text(kind.hours), unknown),
        single_line(kind.sample_name),
        reverse(f"{pages}task", kwargs={"task_id": kind.sample_id}),
        f"{reverse(f'{pages}tasks')}?{urlencode({'q': query})}",
    )


def trend_text(hours: list[int]) -> str:
    """Tell what the bars show."""
    numbers = {"last": hours[-1], "all": sum(hours), "hours": len(hours)}
    return _("%(last)d in the last hour, %(all)d in %(hours)d hours") % numbers


def uncounted_hours(found: Kinds, now: datetime) -> int:
    """Return how many of the hours are older than all failures that were looked at."""
    if not found.is_limited or found.looked_back_to is None:
        return 0
    return hour_of(found.looked_back_to, now) or 0


def notes(found: Kinds) -> Iterator[str]:
    """Yield how much was looked at."""
    if found.is_limited:
        text = _("Looked at the newest %(number)d failures, back to %(time)s.")
        yield text % {"number": found.looked, "time": near_time(found.looked_back_to)}
    elif found.kinds:
        number = len(found.kinds)
        yield ngettext("%d kind", "%d kinds", number) % number
