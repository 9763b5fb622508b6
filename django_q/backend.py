"""The backend for Django's tasks framework: ``TASKS`` names ``django_q.backend.DjangoQBackend``.

Tasks are decorated while a project is imported, before there are models. So what needs the models
is imported when a task is enqueued, or a result asked for. The framework may make several objects
of one setting, for each thread and for each of its two packages: no state is kept on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.checks import CheckMessage

from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.task_backend.framework import (
    INVALID_TASK,
    RESULT_DOES_NOT_EXIST,
    BaseTaskBackend,
    Task,
    TaskResult,
    error_class,
    error_classes,
)
from django_q.task_backend.task import DjangoQTask, option_values, unvalidated_copy
from django_q.text.representation import represent
from django_q.wire.options import normalize_options

__all__ = ["DjangoQBackend", "DjangoQTask"]

#: Characters of a value that an error quotes.
QUOTED_LENGTH = 100


def wrong_value(task: Task) -> str | None:
    """Say what is wrong with a value whose type the framework does not check; None if nothing."""
    due, priority = getattr(task, "run_after", None), task.priority
    is_span = isinstance(due, timedelta) and due >= timedelta(0)
    if due is not None and not is_span and not isinstance(due, datetime):
        got = represent(due, QUOTED_LENGTH)
        return f"run_after must be an aware datetime or a timedelta from 0 on; got {got}."
    if not isinstance(priority, (int, float)):
        return f"priority must be a whole number; got {represent(priority, QUOTED_LENGTH)}."
    return None


class DjangoQBackend(BaseTaskBackend):  # type: ignore[misc]  # found when it is imported
    """Runs tasks of ``django.tasks`` on the clusters of this project."""

    task_class = DjangoQTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def validate_task(self, task: Task) -> None:
        """Raise ``InvalidTask`` for a task that can not be enqueued."""
        if problem := wrong_value(task):
            raise error_class(INVALID_TASK)(problem)
        if isinstance(getattr(task, "run_after", None), timedelta):
            task = unvalidated_copy(task, run_after=None)
        try:
            super().validate_task(task)
            normalize_options(option_values(task))
        except (*error_classes(INVALID_TASK), PackageError) as error:  # type: ignore[misc]
            raise error_class(INVALID_TASK)(str(error)) from error

    def enqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Enqueue a call of a task, when the open transaction commits; return its result."""
        from django_q.task_backend.submission import submit

        self.validate_task(task)
        result, is_of_this_call = submit(task, args, kwargs, self)
        return result if is_of_this_call and not Conf.SYNC else self.known_result(result)

    def known_result(self, result: TaskResult) -> TaskResult:
        """Return what is known of a result by its id; the result itself where nothing is yet."""
        try:
            return self.get_result(result.id)
        except error_class(RESULT_DOES_NOT_EXIST):  # it is enqueued when a transaction commits
            return result

    def get_result(self, result_id: str) -> TaskResult:
        """Return the result of a task of this project's. Raises ``TaskResultDoesNotExist``."""
        from django_q.task_backend.lookup import find_result

        return find_result(result_id, self)

    def check(self, **kwargs: Any) -> Iterable[CheckMessage]:
        """Check the settings of this backend."""
        from django_q.task_backend.settings_check import check_backend

        return list(check_backend(self))
