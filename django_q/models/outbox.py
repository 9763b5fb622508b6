"""The table of the outbox: tasks that are committed with their transaction, and pushed after it."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from django_q.models.columns.stored_texts import StorableCharField


class OutboxTask(models.Model):
    """A task that is to be pushed to a queue, or was pushed a moment ago."""

    #: The key under which it is enqueued once. A task that is run again has another one.
    key = models.CharField(max_length=32, primary_key=True)
    #: The queue, as its broker names it.
    list_key = models.CharField(max_length=255)
    #: The id that the caller got.
    task_id = StorableCharField(max_length=32, db_index=True)
    payload = models.TextField()
    #: Its terms in JSON; None for a plain task.
    terms = models.TextField(null=True)
    created = models.DateTimeField()
    #: From then on a cluster may push it.
    due = models.DateTimeField(db_index=True)
    #: Of the relay that has taken it last; None while none has.
    claim = models.CharField(max_length=32, null=True)
    #: How often a push has failed for a reason of this task.
    attempts = models.IntegerField(default=0, db_default=0)

    #: How long ago it was made, where a relay has claimed it.
    age = timedelta()

    class Meta:
        app_label = "django_q"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.list_key} {self.task_id}"
