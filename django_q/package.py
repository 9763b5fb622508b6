"""The shape of a task on the wire.

A package stays a plain dictionary, because receivers of signals index it and because it is
what Django Q and django-q2 send. Its keys are declared here, once.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from importlib import import_module
from types import ModuleType
from typing import Any, TypedDict

from django_q.exceptions import PackageError

#: Ends a process body that reads a queue.
STOP = "STOP"


class TaskPackage(TypedDict, total=False):
    """A task; what is not among the first six keys is optional."""

    id: str  # 32 hexadecimal digits
    name: str  # four words, see humanhash, or the task_name given
    func: str | Callable
    args: tuple
    kwargs: dict
    started: datetime  # when it was submitted
    hook: str | Callable | None
    group: str
    save: bool
    sync: bool
    cached: bool | int
    ack_failure: bool
    iter_count: int
    iter_cached: bool | int
    chain: list  # the links that follow this one
    chain_options: dict
    cluster: str  # name of the queue it was sent to
    timeout: float
    max_attempts: int
    # Added while it runs:
    ack_id: Any  # receipt of the delivery
    attempt: int  # counts from 1
    leased_until: float  # monotonic, on the host that took it
    result: Any
    success: bool
    stopped: datetime


REQUIRED = ("id", "name", "func", "args", "kwargs", "started")

#: Options of a call that travel with the package.
OPTIONS = frozenset(
    {
        "hook",
        "group",
        "save",
        "sync",
        "cached",
        "ack_failure",
        "iter_count",
        "iter_cached",
        "chain",
        "chain_options",
        "cluster",
        "timeout",
        "max_attempts",
    }
)

#: Options that a failed task's or a schedule's resubmission must not take along.
WORKING_KEYS = ("ack_id", "attempt", "leased_until", "result", "success", "stopped")


def checked(package: Any) -> TaskPackage:
    """Complete what was read from a payload, or raise ``PackageError`` naming what is wrong."""
    if not isinstance(package, dict):
        raise PackageError(f"A package must be a dict, got {type(package).__name__}.")
    missing = [key for key in REQUIRED[:3] if key not in package]
    if missing:
        raise PackageError(f"The package has no {' and no '.join(missing)}.")
    if not isinstance(package["id"], str) or not 0 < len(package["id"]) <= 32:
        raise PackageError("The package's id must be a string of 1 to 32 characters.")
    if not isinstance(package["func"], str) and not callable(package["func"]):
        raise PackageError(f"The package's func must be a name or callable, got {package['func']!r}.")
    package["name"] = str(package["name"])
    args = package.get("args") or ()
    package["args"] = tuple(args) if isinstance(args, Sequence) and not isinstance(args, str) else (args,)
    kwargs = package.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise PackageError(f"The package's kwargs must be a dict, got {type(kwargs).__name__}.")
    package["kwargs"] = kwargs
    if not isinstance(package.get("started"), datetime):
        raise PackageError("The package's started must be a datetime.")
    return package  # type: ignore[return-value]


@lru_cache(maxsize=1024)
def resolve(path: str) -> Any:
    """Find an object by its dotted name: a module's attribute, nested ones too, or a builtin.

    Raises ``ImportError`` or ``AttributeError``, whichever says what is missing, and what the
    module itself raises while it is imported.
    """
    first, *rest = path.split(".")
    if not rest and hasattr(builtins, first):
        return getattr(builtins, first)
    found: Any = import_module(first)
    walked = first
    for part in rest:
        walked = f"{walked}.{part}"
        found = attribute_or_module(found, part, walked)
    return found


def attribute_or_module(parent: Any, part: str, path: str) -> Any:
    """Step from an object to what it holds under a name, importing it where it is a module."""
    try:
        return getattr(parent, part)
    except AttributeError:
        if not isinstance(parent, ModuleType) or not hasattr(parent, "__path__"):
            raise
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:  # the module is there and lacks another
            raise
        raise AttributeError(f"module '{parent.__name__}' has no attribute '{part}'") from None


def resolve_callable(func: str | Callable) -> Callable:
    """Find what is to be called. Raises ``TypeError`` for what can not be called."""
    found = resolve(func) if isinstance(func, str) else func
    if not callable(found):
        raise TypeError(f"'{func}' is a {type(found).__name__} and can not be called")
    return found


def dotted_name(func: Any) -> str:
    """Name a callable as people know it: the path it is imported by, where it has one."""
    if isinstance(func, str):
        return func
    if isinstance(func, partial):
        return dotted_name(func.func)
    named = func if hasattr(func, "__qualname__") else type(func)
    module = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}" if module else named.__qualname__
