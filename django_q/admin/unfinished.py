"""The admin's page of unfinished tasks, for any broker that can list them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst

from django_q.admin.unfinished_list import UnfinishedList
from django_q.dashboard.orders import (
    CANCEL_PERMISSION,
    LIMIT_PERMISSION,
    PAUSE_PERMISSION,
    QUEUE_ORDERS,
    give_order,
)

ORDER_PERMISSIONS = (CANCEL_PERMISSION, PAUSE_PERMISSION, LIMIT_PERMISSION)


class UnfinishedAdmin(admin.ModelAdmin):
    """Tasks that wait, are delayed or run, in the queues of the broker: to view, and to steer."""

    class Media:
        css = {"all": ["django_q/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        """Have a list and no other page: there is nothing to add, to change or to delete."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name=f"{self.opts.app_label}_{self.opts.model_name}_changelist")]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Permit it to those who may view the queue of the ORM broker: it shows the same."""
        return any(request.user.has_perm(f"django_q.{verb}_ormq") for verb in ("view", "change"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: tasks are enqueued by code."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: tasks have no form; orders have permissions of their own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: the page deletes nothing."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show a page of the tasks of a queue, or give the order that it has sent."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and give_order(request, QUEUE_ORDERS):
            return HttpResponseRedirect(request.get_full_path())
        permissions = {name for name in ORDER_PERMISSIONS if request.user.has_perm(name)}
        tasks = UnfinishedList(self.opts, request.GET, permissions)
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(self.opts.verbose_name_plural),
            "opts": self.opts,
            "media": self.media,
            "cl": tasks,
            # Django's script for checkboxes needs its catalogue of texts.
            "action_form": tasks.can_cancel,
            "actions_on_top": tasks.can_cancel,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_q/unfinished.html", context)
