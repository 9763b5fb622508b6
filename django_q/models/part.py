"""The table of results of an iterable's items, which holds them until all have ended."""

from __future__ import annotations

from django.db import models


class Part(models.Model):
    """The result of one item of an iterable; deleted when all results are collated."""

    id = models.BigAutoField(primary_key=True)
    #: Id of the iterable, and of the task that will hold all results.
    iterable = models.CharField(max_length=100)
    #: Id of the item's own task: an item that runs twice counts once.
    task = models.CharField(max_length=32)
    #: Position of the item, from 0; None if a predecessor enqueued it.
    position = models.IntegerField(null=True)
    success = models.BooleanField()
    #: Pickled, or JSON where that is the serializer.
    args = models.BinaryField()
    #: Pickled, or JSON where that is the serializer.
    result = models.BinaryField()
    started = models.DateTimeField()
    stopped = models.DateTimeField()
    #: On the first part: the run of an item whose monitor has claimed to collate the iterable.
    claim = models.CharField(max_length=64, null=True)

    class Meta:
        app_label = "django_q"
        constraints = [
            models.UniqueConstraint(fields=["iterable", "task"], name="django_q_part_once")
        ]

    def __str__(self) -> str:
        return f"{self.iterable}[{self.position}]"
