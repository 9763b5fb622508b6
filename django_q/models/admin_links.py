"""The pages of Django's admin: links to those of models, and the entry of the dashboard."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from django_q.models.queue import OrmQ


def admin_address(name: str, *args: Any) -> str:
    """Return the address of a page of the admin; empty where the project has no such page."""
    try:
        return reverse(f"admin:django_q_{name}", args=args)
    except NoReverseMatch:
        return ""


def task_admin_url(task_id: str, success: bool) -> str:
    """Return the address of a task's page in the admin; empty where the project has no admin."""
    return admin_address("success_change" if success else "failure_change", task_id)


class Dashboard(OrmQ):
    """The dashboard, as the admin lists it: a name, and no rows of its own.

    What somebody may view of it depends on the permissions for tasks, queues and schedules.
    """

    class Meta:
        app_label = "django_q"
        proxy = True
        default_permissions = ()
        permissions = [("run_functions", "Can run allowed functions as tasks")]
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
