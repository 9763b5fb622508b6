"""Actions of the admin by the names of the predecessors, for the admins of projects."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.admin.tasks import EndedTaskAdmin, FailAdmin, TaskAdmin
from django_q.models import Failure


@admin.action(description=_("Resubmit selected tasks to queue"), permissions=["change"])
def resubmit_task(model_admin: Any, request: HttpRequest, queryset: QuerySet) -> None:
    """Enqueue tasks once more; failures are replaced by the new task."""
    if not isinstance(model_admin, EndedTaskAdmin):
        kind = FailAdmin if issubclass(queryset.model, Failure) else TaskAdmin
        model_admin = kind(queryset.model, model_admin.admin_site)
    EndedTaskAdmin.resubmit_task(model_admin, request, queryset)


retry_failed = resubmit_task
