"""The dashboard's queues."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.access import VIEW_QUEUES
from django_q.dashboard.page import Page


class QueuesPage(Page):
    """The queues."""

    template_name = "django_q/dashboard/queues.html"
    title = _("Queues")
    section = "queues"
    permissions = VIEW_QUEUES

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return nothing yet."""
        return {}
