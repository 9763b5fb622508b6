"""Find callables by their dotted names, and name callables."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from django_q.exceptions import PackageError, contain_error
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.text.function_names import dotted_name

#: Stands for an attribute that a module does not have.
NOT_FOUND: Any = object()


def resolve(path: str) -> Any:
    """Find an object by its dotted name: an attribute of a module, at any depth, or a builtin.

    Raises ``ImportError`` or ``AttributeError``, according to what is missing, and whatever the
    module raises while it is imported.
    """
    module, name = split_path(path)
    loaded = sys.modules.get(module)
    if loaded is not None and (found := getattr(loaded, name, NOT_FOUND)) is not NOT_FOUND:
        return found
    first, *rest = path.split(".")
    if not rest and hasattr(builtins, first):
        return getattr(builtins, first)
    found = import_module(first)
    walked = first
    for part in rest:
        walked = f"{walked}.{part}"
        found = attribute_or_module(found, part, walked)
    return found


@lru_cache(maxsize=1024)
def split_path(path: str) -> tuple[str, str]:
    """Split a dotted name at its last dot. The parts are interned, which makes look-ups faster."""
    module, _, name = path.rpartition(".")
    return sys.intern(module), sys.intern(name)


def attribute_or_module(parent: Any, part: str, path: str) -> Any:
    """Return an attribute of an object; import it where it is a module of a package."""
    try:
        return getattr(parent, part)
    except AttributeError:
        if not isinstance(parent, ModuleType) or not hasattr(parent, "__path__"):
            raise
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:  # the module exists, but imports one that does not
            raise
        raise AttributeError(f"module '{parent.__name__}' has no attribute '{part}'") from None


def resolve_callable(func: str | Callable) -> Callable:
    """Return the callable of a name. Raises ``TypeError`` for an object that can not be called."""
    found = resolve(func) if isinstance(func, str) else func
    if isinstance(found, FunctionWithOptions):
        return resolve_callable(found.target)
    if callable(found):
        return found
    found = task_function(found)
    if not callable(found):
        raise TypeError(f"'{func}' is a {type(found).__name__} and can not be called")
    return found


def task_function(value: Any) -> Any:
    """Return the function of a task of Django's tasks framework; other values as they are.

    It is told by its attributes: not each Django has the framework.
    """
    is_task = hasattr(type(value), "module_path") and hasattr(value, "takes_context")
    return value.func if is_task else value


def is_callable(value: Any) -> bool:
    """Return True for what can be called, and for a task of Django's tasks framework."""
    return callable(value) or callable(task_function(value))


def recorded_name(func: Any) -> str:
    """Name a callable by a dotted path only if that path leads to the same object.

    A method of an instance is ``shop.Order().send``, an instance ``shop.Sender()``.
    """
    if isinstance(func, str):
        return func
    if isinstance(func, (FunctionType, type)):
        return dotted_name(func)
    if isinstance(func, partial):
        return f"functools.partial({recorded_name(func.func)})"
    owner, path = getattr(func, "__self__", None), dotted_name(func)
    if isinstance(owner, type):  # a class method, which a subclass may have inherited
        return f"{dotted_name(owner)}.{func.__name__}"
    if resolves_to(path, func):
        return path
    if owner is None or isinstance(owner, ModuleType):
        return f"{path}()"
    return f"{dotted_name(type(owner))}().{func.__name__}"


def resolves_to(path: str, func: Any) -> bool:
    """Return True if a path leads to this callable, or to an object that calls it: a task."""
    try:
        found = bare_function(resolve(path))
        return bool(found == func) or (not callable(found) and task_function(found) is func)
    except BaseException as error:  # the import or the comparison may raise anything
        contain_error(error)
        return False


def bare_function(func: Any) -> Any:
    """Return the function, or the path, that has options; anything else as it is."""
    return func.target if isinstance(func, FunctionWithOptions) else func


def importable_name(func: Any, what: str) -> str:
    """Return the dotted path of a callable; a string stays as it is.

    Raises ``PackageError`` if it can not be imported by it. ``what`` names its role in the error.
    """
    func = bare_function(func)
    path = dotted_name(func)
    if isinstance(func, str) or resolves_to(path, func):
        return path
    raise PackageError(
        f"{what} must be importable by name, and '{path}' is not: "
        "define it at the top of a module, or pass its dotted path."
    )


def sent_name(func: FunctionWithOptions) -> str:
    """Return the path by which a worker finds a function. Raises ``PackageError`` if it can not."""
    if func.__module__ == "__main__":
        raise PackageError(
            f"The function of a task must be in a module that workers import, and '{func.path}' is "
            "in the script that runs here: move it to a module."
        )
    return importable_name(func, "The function of a task")


def called_by_name(task: Any) -> str:
    """Return the path of the function of a task of Django's framework. Raises for anything else."""
    func = task_function(task)
    if not callable(func):
        raise TypeError
    if task.takes_context:
        raise PackageError(
            f"'{dotted_name(func)}' takes the context of Django's tasks framework, which a call of "
            "this project does not have. Call its enqueue(), or a function without a context."
        )
    return importable_name(func, "The function of a task of Django's tasks framework")
