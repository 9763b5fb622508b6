"""The tables of the charts: what was counted of the runs of tasks, and marks of deploys."""

from __future__ import annotations

from django.db import models


class Rollup(models.Model):
    """The runs that ended within a time, of all queues and functions.

    There may be several of one time, as of each cluster: who reads them adds them up.
    """

    #: Seconds since the epoch, when the time began, and how many seconds it is long.
    at = models.BigIntegerField(db_index=True)
    span = models.IntegerField()
    #: Counts in JSON: see ``rollups/row_format.py``.
    counts = models.TextField()

    class Meta:
        app_label = "django_q"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at} +{self.span} s"


class DeployMark(models.Model):
    """A moment that the charts mark, such as that of a deploy."""

    #: Seconds since the epoch.
    at = models.BigIntegerField(db_index=True)
    text = models.CharField(max_length=100)

    class Meta:
        app_label = "django_q"
        default_permissions = ()

    def __str__(self) -> str:
        return self.text
