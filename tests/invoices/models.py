"""A model that keeps the task it points at from being deleted. Tests make its table."""

from __future__ import annotations

from django.db import models

from django_q.models import Task


class Invoice(models.Model):
    """A row with a task."""

    task = models.ForeignKey(Task, models.PROTECT)

    class Meta:
        app_label = "invoices"

    def __str__(self) -> str:
        return str(self.pk)
