"""The task of this backend: that of Django's tasks framework, with options of this project."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django_q.task_backend.framework import Task
from django_q.wire.callables import resolve, task_function

Made = TypeVar("Made", bound=Task)

#: What ``using`` takes of the framework.
FRAMEWORK_FIELDS = ("priority", "queue_name", "run_after", "backend")


@dataclass(frozen=True, kw_only=True, slots=sys.version_info >= (3, 11))
class DjangoQTask(Task):
    """A task with options of ``async_task``; None leaves an option out."""

    group: str | None = None
    timeout: float | timedelta | None = None
    soft_timeout: float | timedelta | None = None
    max_attempts: int | None = None
    retries: int | None = None
    retry_delay: float | timedelta | None = None
    retry_backoff: float | None = None
    retry_max_delay: float | timedelta | None = None
    retry_jitter: float | None = None
    retry_on: Any = None
    no_retry_on: Any = None
    expires: datetime | timedelta | float | None = None
    unique: bool | str | None = None
    unique_for: float | timedelta | None = None
    on_duplicate: str | None = None
    idempotency_key: str | None = None
    idempotency_for: float | timedelta | None = None

    def using(self, **changes: Any) -> DjangoQTask:
        """Return a task with other values of the given fields; None changes nothing.

        ``run_after`` is an aware datetime, or a timedelta from when the task is enqueued.
        """
        known = (*FRAMEWORK_FIELDS, *OPTION_FIELDS)
        if unknown := sorted(changes.keys() - set(known)):
            raise TypeError(
                f"using() expected some of {', '.join(known)}; got {', '.join(unknown)}."
            )
        return replace(self, **{name: v for name, v in changes.items() if v is not None})

    @classmethod
    def _reconstruct(cls, kwargs: dict[str, Any]) -> DjangoQTask:
        func = task_function(resolve(kwargs["func"]))
        return unvalidated(cls, **{**kwargs, "func": func})

    def __reduce__(self) -> Any:
        # By the path of the function, as Django 6.1 does.
        kwargs = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)._reconstruct, ({**kwargs, "func": self.module_path},)


#: The fields that are options of ``async_task``.
OPTION_FIELDS = tuple(
    field.name
    for field in fields(DjangoQTask)
    if field.name not in {known.name for known in fields(Task)}
)


def unvalidated(kind: type[Made], **values: Any) -> Made:
    """Make a task that its backend does not validate: of a queue, say, that has been removed."""
    made = object.__new__(kind)
    for field in fields(kind):
        object.__setattr__(made, field.name, values.get(field.name, field.default))
    return made


def unvalidated_copy(task: Made, **changes: Any) -> Made:
    """Copy a task with other values of some fields, without validating it."""
    values = {field.name: getattr(task, field.name) for field in fields(task)}
    return unvalidated(type(task), **{**values, **changes})


def option_values(task: Task) -> dict[str, Any]:
    """Return the options of a task that are set; one of another backend's class has none."""
    found = {name: getattr(task, name, None) for name in OPTION_FIELDS}
    return {name: value for name, value in found.items() if value is not None}
