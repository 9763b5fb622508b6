"""The entry of the dashboard in the admin, and the addresses of its pages there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path

from django_q.dashboard.access import USE_ANYTHING, may
from django_q.dashboard.operations.overview import OverviewPage
from django_q.dashboard.urls import app_name, page_urls


class DashboardAdmin(admin.ModelAdmin):
    """The dashboard: pages to view and to give orders, and no rows."""

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Have the pages of the dashboard; its overview is where the admin's index links to."""
        site, opts = self.admin_site, self.opts
        overview = site.admin_view(OverviewPage.as_view(site=site))
        return [
            path("", include((page_urls(site), app_name))),
            # Never reached: the name by which the admin finds the address.
            path("", overview, name=f"{opts.app_label}_{opts.model_name}_changelist"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Permit it to those who may view anything in it; each page asks for more."""
        return may(request.user, USE_ANYTHING)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: there is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: orders have permissions of their own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: there is nothing to delete."""
        return False
