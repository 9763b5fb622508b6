"""The dashboard's schedules."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.access import VIEW_SCHEDULES
from django_q.dashboard.page import Page


class SchedulesPage(Page):
    """The schedules."""

    template_name = "django_q/dashboard/schedules.html"
    title = _("Schedules")
    section = "schedules"
    permissions = VIEW_SCHEDULES

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return nothing yet."""
        return {}
