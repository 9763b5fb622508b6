"""Called with each finished task that names them."""

from django_q.models import Task
from library.models import Report


def file_report(task: Task) -> None:
    """Put the words that a task counted on record."""
    if task.success:
        Report.objects.update_or_create(path=task.args[0], defaults=task.result)
