"""The dashboard's overview."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.access import VIEW_ANYTHING
from django_q.dashboard.page import Page


class OverviewPage(Page):
    """The overview."""

    template_name = "django_q/dashboard/overview.html"
    title = _("Overview")
    section = "overview"
    permissions = VIEW_ANYTHING

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return nothing yet."""
        return {}
