"""``@task``: make a task function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, overload

from django_q.calls.task_function.task_function import P, R, TaskFunction
from django_q.calls.task_function.task_options import TaskOptions, check_names, merged_options
from django_q.exceptions import PackageError
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.wire.option_types import is_path, shown

if TYPE_CHECKING:
    from typing_extensions import Unpack


@overload
def task(
    func: str, /, *, secret: str | Iterable[str] = (), **options: Unpack[TaskOptions]
) -> TaskFunction[..., Any]: ...


@overload
def task(
    func: Callable[P, R], /, *, secret: str | Iterable[str] = (), **options: Unpack[TaskOptions]
) -> TaskFunction[P, R]: ...


@overload
def task(
    *, secret: str | Iterable[str] = (), **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(
    func: Any = None, /, *, secret: str | Iterable[str] = (), **options: Unpack[TaskOptions]
) -> Any:
    """Make a function one that can be enqueued, with options for all of its calls.

    As ``@task``, as ``@task(retries=3)``, or as a function that gets a function or a dotted path,
    which is not imported. The options are those of ``async_task``; a call of ``async_task``,
    ``async_iter`` or ``schedule`` that gets the object, and a link of a chain or a batch that has
    it, takes them as defaults. Those that get the path know of none.

    ``secret`` names parameters whose values are not to be shown. Raises ``PackageError`` for an
    unknown option or parameter, and ``TypeError`` for a method.
    """
    checked = merged_options({}, options)
    secrets = (secret,) if isinstance(secret, str) else tuple(secret)
    if func is not None:
        return make_task_function(func, checked, secrets)
    return lambda func: make_task_function(func, checked, secrets)


def make_task_function(
    func: Any, options: dict[str, Any], secrets: tuple[str, ...]
) -> TaskFunction[..., Any]:
    """Make a task function of a function or a path. Raises ``PackageError`` for anything else."""
    if isinstance(func, FunctionWithOptions):
        options, secrets = merged_options(func.options, options), (*func.secret_arguments, *secrets)
        func = func.target
    if not (is_path(func) if isinstance(func, str) else callable(func)):
        raise PackageError(
            "task expected a function, or a dotted path such as 'shop.tasks.send'; got "
            f"{shown(func)}. A task of Django's framework has an enqueue() of its own."
        )
    check_secrets(func, secrets)
    return TaskFunction(func, options, secrets)


def check_secrets(func: str | Callable[..., Any], secrets: Iterable[str]) -> None:
    """Raise ``PackageError`` for a secret that is no parameter of a function.

    What a path leads to is not known here, and a function with ``**kwargs`` takes any name.
    """
    if isinstance(func, str) or not secrets:
        return
    parameters = inspect.signature(func).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        check_names(f"parameter of {func.__qualname__}", secrets, parameters)
