"""The table of alerts, which all clusters of a project share."""

from __future__ import annotations

from django.db import models


class Alert(models.Model):
    """Something that a rule of ``Q_CLUSTER["alerts"]`` has found, or the turn to look for it.

    It is raised while ``raised_at`` is set and ``resolved_at`` is not.
    """

    #: Digest of the project's name, the rule and its subject.
    key = models.CharField(max_length=32, primary_key=True)
    #: The name of the project on its broker.
    project = models.CharField(max_length=100, db_index=True)
    rule = models.CharField(max_length=32)
    #: What the rule found something wrong with: a queue, or the id of a schedule. Often empty.
    subject = models.CharField(max_length=100)
    text = models.CharField(max_length=500)
    #: The number that is beyond the limit of the rule.
    value = models.FloatField(null=True)
    #: When it was found first since it was all right.
    since = models.DateTimeField()
    #: When it was told of last; None while it has not lasted long enough.
    raised_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    #: Who is still to be told of the last change: a list of names.
    untold = models.JSONField(null=True)
    #: From then on a process may tell them; None where all are told.
    due = models.DateTimeField(null=True)
    #: How often that was begun.
    attempts = models.IntegerField(default=0, db_default=0)

    class Meta:
        app_label = "django_q"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.rule} {self.subject}".rstrip()

    @property
    def is_raised(self) -> bool:
        """Whether it was told of, and is not over."""
        return self.raised_at is not None and self.resolved_at is None
