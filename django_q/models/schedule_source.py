"""The table of what the source declares: the schedules of ``@scheduled``, as last written."""

from __future__ import annotations

from django.db import models


class ScheduleSource(models.Model):
    """What one project has declared, and the order in which its releases have declared it.

    It is kept beside the schedules, so that what an administrator changes or deletes there can be
    told from what the source has changed.
    """

    #: ``Q_CLUSTER["name"]``: projects that share a database each have a row.
    project = models.CharField(max_length=100, primary_key=True)
    #: ``Q_CLUSTER["release"]`` of the last release that has written; None where it names none.
    release = models.CharField(max_length=100, null=True)
    #: Digest of all that it has declared.
    fingerprint = models.CharField(max_length=64, null=True)
    #: Whether each schedule could be written; otherwise the next start tries again.
    is_complete = models.BooleanField(default=False)
    #: Earlier fingerprints, as a list in JSON, the oldest first.
    superseded = models.TextField(default="[]")
    #: What is declared, by name, in JSON: see ``scheduling.declared.records``.
    records = models.TextField(default="{}")
    #: Counts the times it was written; its change locks the row.
    version = models.BigIntegerField(default=0)

    class Meta:
        app_label = "django_q"
        default_permissions = ()

    def __str__(self) -> str:
        return self.project
