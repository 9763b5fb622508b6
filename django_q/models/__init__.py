"""The tables: finished tasks, schedules, the queue of the ORM broker, and heartbeats."""

from django_q.models.queue import Heartbeat, OrmQ
from django_q.models.schedule import Schedule
from django_q.models.task import Failure, FailureManager, Success, SuccessManager, Task
from django_q.models.validators import validate_cron, validate_kwarg

__all__ = [
    "Failure",
    "FailureManager",
    "Heartbeat",
    "OrmQ",
    "Schedule",
    "Success",
    "SuccessManager",
    "Task",
    "validate_cron",
    "validate_kwarg",
]
