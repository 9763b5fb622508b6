"""The tables: finished tasks, schedules, parts of iterables, and the ORM broker's queue."""

from importlib import import_module
from typing import Any

from django_q import intact  # noqa: F401 - first: it says what has happened to the others
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


def __getattr__(name: str) -> Any:
    if name == "call_hook":  # where Django Q has it
        return import_module("django_q.lifecycle.hooks").receive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
