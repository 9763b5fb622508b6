"""What the library knows of its texts."""

from django.db import models


class Report(models.Model):
    """The words of one text, as a task counted them."""

    path = models.CharField(max_length=255, unique=True)
    lines = models.PositiveIntegerField()
    words = models.PositiveIntegerField()
    distinct = models.PositiveIntegerField()
    favourite = models.CharField(max_length=100)
    times = models.PositiveIntegerField()
    counted = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-words",)

    def __str__(self) -> str:
        return self.path
