"""The tables: finished tasks, schedules, parts of iterables, and the ORM broker's queue."""

from django_q.foreign_code import installed_files  # noqa: F401 - checks them when imported

# isort: split
from django_q.hooks import receive as call_hook
from django_q.models.admin_links import Dashboard
from django_q.models.figures.rollup import DeployMark, Rollup
from django_q.models.operations.alert import Alert
from django_q.models.orders import Notice, QueueOrder
from django_q.models.outbox import OutboxTask
from django_q.models.part import Part
from django_q.models.queue import Heartbeat, OrmQ, TaskKey, Unfinished
from django_q.models.records.task_log import TaskLog
from django_q.models.schedule import Schedule
from django_q.models.schedule_fields.validators import validate_cron, validate_kwarg
from django_q.models.schedule_source import ScheduleSource
from django_q.models.task import Failure, FailureManager, Success, SuccessManager, Task

__all__ = [
    "Alert",
    "Dashboard",
    "DeployMark",
    "Failure",
    "FailureManager",
    "Heartbeat",
    "Notice",
    "OrmQ",
    "OutboxTask",
    "Part",
    "QueueOrder",
    "Rollup",
    "Schedule",
    "ScheduleSource",
    "Success",
    "SuccessManager",
    "Task",
    "TaskKey",
    "TaskLog",
    "Unfinished",
    "call_hook",
    "validate_cron",
    "validate_kwarg",
]
