"""Make names of callables, for messages, rows and logs."""

from __future__ import annotations

from functools import partial
from typing import Any

from django_q.exceptions import contain_error


def dotted_name(func: Any) -> str:
    """Name a callable by its module and qualified name; a string stays as it is."""
    if isinstance(func, str):
        return func
    if isinstance(func, partial):
        return dotted_name(func.func)
    try:
        return qualified_name(func if hasattr(func, "__qualname__") else type(func))
    except BaseException as error:  # raised by an attribute that the callable computes
        contain_error(error)
        return qualified_name(type(func))


def exception_path(kind: type[BaseException]) -> str:
    """Return the dotted path of an exception class: the name alone for a builtin."""
    return dotted_name(kind).removeprefix("builtins.")


def qualified_name(named: Any) -> str:
    """Join the module and the qualified name of a function or class."""
    module = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}" if module else named.__qualname__
