"""``TaskFunction``: a function that can be called, and enqueued with options of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from django_q.calls.composition import send_function, send_iterable
from django_q.calls.task_function.schedule_fields import (
    ScheduleFields,
    check_argument_names,
    checked_fields,
)
from django_q.calls.task_function.task_options import TaskOptions, merged_options
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.models import Schedule
from django_q.scheduling.schedules_in_code import make_schedule
from django_q.wire.callables import bare_function, resolve, resolve_callable

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
R = TypeVar("R")


class TaskFunction(FunctionWithOptions, Generic[P, R]):
    """What ``@task`` makes of a function. A call of it calls the function, here and now.

    ``enqueue``, ``aenqueue`` and ``schedule`` take the arguments of the function and no options:
    each keyword argument is the function's. Options are those of ``@task`` and ``using``.
    """

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        func = self.target if callable(self.target) else resolve_callable(self.target)
        result: R = func(*args, **kwargs)
        return result

    def using(self, /, **options: Unpack[TaskOptions]) -> TaskFunction[P, R]:
        """Return a task function with these options beside, or in the place of, its own.

        None removes one. Raises ``PackageError`` for an unknown or invalid option.
        """
        merged = merged_options(self.options, options)
        return type(self)(self.target, merged, self.secret_arguments)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Have the function called by a cluster, and return the id of the task."""
        return send_function(self, args, kwargs)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Have the function called by a cluster, from a coroutine; see ``enqueue``."""
        return await sync_to_async(send_function)(self, args, kwargs)

    def map(self, values: Iterable[Any], /) -> str:
        """Have the function called with each item, and return the id of the task with all results.

        An item that is a tuple is passed as several arguments; see ``async_iter``.
        """
        return send_iterable(self, values, {})

    def schedule(self, fields: ScheduleFields, /, *args: P.args, **kwargs: P.kwargs) -> Schedule:
        """Have the function called at a time, or again and again, and return the saved schedule.

        ``fields`` are what ``schedule`` takes by name, as ``{"cron": "0 9 * * *"}``. The row keeps
        the options as they are now. Raises ``PackageError`` for a keyword argument of the function
        that has the name of an option.
        """
        known = checked_fields(fields)
        check_argument_names(kwargs)
        update = known.pop("update", False)
        return make_schedule(self, args, kwargs, known, update)

    def __reduce__(self) -> Any:
        if callable(self.target) and resolves_to_itself(self):
            return self.__qualname__
        rest = self.path, dict(self.options), self.secret_arguments
        return restored, (type(self), callable(self.target), *rest)


def restored(kind: type[Any], is_imported: bool, path: str, *rest: Any) -> Any:
    """Make a task function of what is pickled of one: its function by its path, and its options."""
    return kind(bare_function(resolve(path)) if is_imported else path, *rest)


def resolves_to_itself(func: FunctionWithOptions) -> bool:
    """Return True if the path of a function leads to this object."""
    try:
        return resolve(func.path) is func
    except (ImportError, AttributeError):
        return False
