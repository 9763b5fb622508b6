"""The tables: finished tasks, schedules, parts of iterables, and the ORM broker's queue."""

from django_q.models.part import Part
from django_q.models.queue import Heartbeat, OrmQ
from django_q.models.schedule import Schedule
from django_q.models.task import Failure, FailureManager, Success, SuccessManager, Task
from django_q.models.validators import validate_cron, validate_kwarg

__all__ = [
    "Failure",
    "FailureManager",
    "Heartbeat",
    "OrmQ",
    "Part",
    "Schedule",
    "Success",
    "SuccessManager",
    "Task",
    "validate_cron",
    "validate_kwarg",
]
