"""The table of logs: what attempts of tasks have logged and printed."""

from __future__ import annotations

from django.db import models

from django_q.models.columns.stored_texts import StorableCharField


class TaskLog(models.Model):
    """The log of one attempt of a task. It does not refer to the row of the task, which it may
    outlive, and which there may never be."""

    id = models.BigAutoField(primary_key=True)
    task_id = StorableCharField(max_length=32, db_index=True)
    #: The number of the delivery, from 1.
    attempt = models.IntegerField()
    queue = models.CharField(max_length=255)
    #: The process that ran it.
    worker = models.CharField(max_length=255)
    begun = models.DateTimeField()
    saved = models.DateTimeField(db_index=True)
    text = models.TextField()
    #: Bytes that were logged in all; the text is the last of them.
    length = models.BigIntegerField()

    class Meta:
        app_label = "django_q"
        default_permissions = ()
        permissions = [("show_stack", "Can see the stacks of running tasks")]

    @property
    def is_truncated(self) -> bool:
        """Whether more was logged before the text."""
        return self.length > len(self.text.encode(errors="replace"))

    def __str__(self) -> str:
        return f"{self.task_id} {self.attempt}"
