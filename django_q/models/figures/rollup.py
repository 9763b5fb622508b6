"""The tables of the charts: what was counted of the runs of tasks, and marks of deploys."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Rollup(models.Model):
    """The runs that ended within a time, of all queues and functions.

    There may be several of one time, as of each cluster: who reads them adds them up.
    """

    #: Seconds since the epoch, when the time began, and how many seconds it is long.
    at = models.BigIntegerField(_("at"), db_index=True)
    span = models.IntegerField(_("span"))
    #: Counts in JSON: see ``rollups/row_format.py``.
    counts = models.TextField(_("counts"))

    class Meta:
        app_label = "django_q"
        verbose_name = _("rollup")
        verbose_name_plural = _("rollups")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at} +{self.span} s"


class DeployMark(models.Model):
    """A moment that the charts mark, such as that of a deploy."""

    #: Seconds since the epoch.
    at = models.BigIntegerField(_("at"), db_index=True)
    text = models.CharField(_("text"), max_length=100)

    class Meta:
        app_label = "django_q"
        verbose_name = _("mark of a deploy")
        verbose_name_plural = _("marks of deploys")
        default_permissions = ()

    def __str__(self) -> str:
        return self.text
