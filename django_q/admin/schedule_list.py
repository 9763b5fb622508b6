"""The list of schedules in the admin: how often each runs, in words, and filters by what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_q.admin.listing import WrappingListMixin
from django_q.dashboard.figures.schedule_lines import rule_text
from django_q.models import Schedule

#: By the value in the address: the title, and the time from now until which a run is due.
DUE_SPANS = {
    "overdue": (_("Overdue"), timedelta()),
    "hour": (_("In an hour"), timedelta(hours=1)),
    "day": (_("In 24 hours"), timedelta(days=1)),
    "week": (_("In 7 days"), timedelta(days=7)),
}


class DueFilter(admin.SimpleListFilter):
    """Filters schedules by when they are due next, which is in the future."""

    title = _("next run")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple]:
        """Offer the time spans."""
        return [(value, title) for value, (title, _span) in DUE_SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the schedules that are due until then, without those that are paused or done."""
        if self.value() not in DUE_SPANS:
            return queryset
        end = timezone.now() + DUE_SPANS[self.value()][1]
        return queryset.filter(next_run__lte=end, paused=False).exclude(repeats=0)


class ScheduleListMixin(WrappingListMixin):
    """Shows how often a schedule runs and how many runs are left, and names it by its name."""

    save_on_top = True
    shown_as = {
        **WrappingListMixin.shown_as,
        "schedule_type": "shown_rule",
        "repeats": "shown_repeats",
    }

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filter by when a schedule is due: Django's filter of dates looks into the past."""
        filters = super().get_list_filter(request)
        return [DueFilter if each == "next_run" else each for each in filters]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Title the page of a schedule by its name; one without has that of its function."""
        schedule = kwargs.get("obj")
        if schedule is not None and schedule.name:
            context["subtitle"] = schedule.name
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("type"), ordering="schedule_type")
    def shown_rule(self, schedule: Schedule) -> str:
        """Show how often it runs."""
        return rule_text(schedule)

    @admin.display(description=_("repeats"), ordering="repeats")
    def shown_repeats(self, schedule: Schedule) -> str:
        """Show how many runs are left."""
        return _("for ever") if schedule.repeats < 0 else str(schedule.repeats)
