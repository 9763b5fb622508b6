"""The name of the dashboard in the admin."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from django_q.models.queue import OrmQ


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
