"""The shape of a task on the wire.

A package stays a plain dictionary, because receivers of signals index it and because it is
what Django Q and django-q2 send. Its keys are declared here, once.
"""

from __future__ import annotations

import builtins
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import md5
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, TypedDict

from django.utils import timezone

from django_q.exceptions import PackageError, contain_error
from django_q.humanhash import humanize
from django_q.text.function_names import dotted_name
from django_q.text.representation import represent


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
    # An item of an iterable; its group is the id of the iterable, hook and save are for the whole
    iter_count: int  # how many items there are
    iter_position: int  # counts from 0
    iter_group: str  # group of the whole
    iter_name: str  # name of the whole
    iter_cached: bool | int  # whether the whole is cached; each item says cached, for django-q2
    chain: list  # the links that follow this one
    chain_options: dict
    cluster: str  # name of the queue it was sent to
    timeout: float
    max_attempts: int
    schedule: int  # key of the schedule that is to be told of the end
    # Added while it runs:
    ack_id: Any  # receipt of the delivery
    attempt: int  # counts from 1
    leased_until: float  # monotonic, on the host that took it
    resumed: int  # how often what follows from its success has been tried before
    result: Any
    success: bool
    stopped: datetime


REQUIRED_KEYS = ("id", "name", "func", "args", "kwargs", "started")
#: Those that nothing can stand in for.
INDISPENSABLE_KEYS = frozenset(REQUIRED_KEYS[:3])

#: Options of a call that travel with the package.
PACKAGE_OPTIONS = frozenset(
    {
        "hook",
        "group",
        "save",
        "sync",
        "cached",
        "ack_failure",
        "iter_count",
        "iter_position",
        "iter_group",
        "iter_name",
        "iter_cached",
        "chain",
        "chain_options",
        "cluster",
        "timeout",
        "max_attempts",
        "task_name",
    }
)
#: Options of a call that say where its package goes, and stay behind.
ROUTING_OPTIONS = frozenset({"broker", "redis", "list_key", "on_commit"})
KNOWN_OPTIONS = PACKAGE_OPTIONS | ROUTING_OPTIONS
#: Options that may stand among the arguments of a function: those that did in a predecessor. A
#: function of theirs may have an argument of the name of any other.
KEYWORD_OPTIONS = KNOWN_OPTIONS - {
    "max_attempts",
    "iter_position",
    "iter_group",
    "iter_name",
    "chain_options",
}
#: What a cluster of django-q2 does not do without in a package that has links in tow.
CHAIN_DEFAULTS = {"group": None, "cached": False, "sync": False}
#: What is added while a task runs, and must not come with its package.
RUNTIME_KEYS = frozenset(
    {"ack_id", "attempt", "leased_until", "handed_back", "collated", "result", "success", "stopped"}
)


def take_options(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call into (options, those of the function).

    Options stand among the arguments or in a ``q_options`` dict, which wins. Inside
    ``q_options`` any key is an option.
    """
    if not kwargs:
        return {}, {}
    rest = dict(kwargs)
    options = {key: rest.pop(key) for key in KEYWORD_OPTIONS & rest.keys()}
    options.update(options_in(rest.pop("q_options", None)))
    return options, rest


def options_in(q_options: Any) -> Mapping[str, Any]:
    """Take the value of ``q_options``. Raises ``PackageError`` for what is no dictionary."""
    if not isinstance(q_options or {}, Mapping):
        raise PackageError(f"q_options must be a dictionary of options, got {q_options!r:.100}.")
    return q_options or {}


def new_package(
    func: str | Callable,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    task_id: str | None = None,
    started: datetime | None = None,
) -> TaskPackage:
    """Make the package of a call. Options that are None are left out."""
    task_id = task_id or new_id()
    package: dict[str, Any] = {
        "id": task_id,
        "name": options.get("task_name") or humanize(task_id),
        "func": func,
        "args": tuple(args),
        "kwargs": kwargs,
        "started": started or timezone.now(),
    }
    for key, value in options.items():
        if value is not None and key in PACKAGE_OPTIONS:
            package[key] = value
    package.pop("task_name", None)
    if "chain" in package:
        package = {**CHAIN_DEFAULTS, **package}
    return package  # type: ignore[return-value]


def new_id() -> str:
    """Make an id: 32 hexadecimal digits, of which 26 are random.

    The first six tell the time, in sixteenths of a second, and come round every twelve days. So
    rows that are saved together lie together in the index of a large table, where random ids
    would each change another page; and the names of tasks of one time still differ in all words.
    After J. Nilsson, "The Cost of GUIDs as Primary Keys", 2002.
    """
    return f"{int(time.time() * 16) & 0xFFFFFF:06x}{os.urandom(13).hex()}"


def encodes_time(task_id: str, moment: datetime) -> bool:
    """Whether an id begins as ``new_id`` makes it within a minute of a time."""
    try:
        told = int(task_id[:6], 16)
    except ValueError:
        return False
    minute = 60 * 16
    return (int(moment.timestamp() * 16) - told + minute) & 0xFFFFFF < 2 * minute


def next_link(package: TaskPackage, result: Any) -> TaskPackage | None:
    """Make the package of the link that follows a finished one; None where the chain ends.

    Its id derives from the one before, so that a repeated step makes the same task.
    """
    settings = package.get("chain_options") or {}
    if not package["success"] and not settings.get("continue_on_failure"):
        return None
    first, *rest = package["chain"]
    func, args, kwargs = link_parts(first)
    options, kwargs = take_options(kwargs)
    inherited = ("group", "cached", "sync", "cluster", "save", "chain_options")
    options = {key: package.get(key) for key in inherited} | options | {"chain": rest or None}
    if settings.get("pass_result"):
        args = (result, *args)
    return new_package(func, args, kwargs, options, derived_id(package["id"], "next"))


def is_iterable_item(package: TaskPackage) -> bool:
    """Return whether a task is an item of an iterable, whose id is its group."""
    if not package.get("iter_count"):
        return False
    group = package.get("group")
    return isinstance(group, str) and 0 < len(group) <= 32 and group.isprintable()


def link_parts(link: Any) -> tuple[str | Callable, tuple, dict]:
    """Split a call: ``func``, ``(func, args)`` or ``(func, args, kwargs)``.

    Raises ``PackageError`` for what is none.
    """
    if isinstance(link, str) or callable(link):
        return link, (), {}
    if not isinstance(link, (tuple, Sequence)) or not 1 <= len(link) <= 3:
        raise PackageError(
            f"A call must be func, (func, args) or (func, args, kwargs), "
            f"got {represent(link, 200)}."
        )
    func, args, kwargs = (*link, *((), {})[len(link) - 1 :])
    if isinstance(args, (tuple, list)):
        args = tuple(args)
    elif isinstance(args, Mapping):  # (func, {"key": "value"})
        args, kwargs = (), args
    else:
        args = (args,)
    return func, args, dict(kwargs or {})


def derived_id(*parts: str) -> str:
    """Derive a task id from what makes the task the same one."""
    return md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def checked_package(package: Any) -> TaskPackage:
    """Complete what was read from a payload, or raise ``PackageError`` naming what is wrong."""
    if not isinstance(package, dict):
        raise PackageError(f"A package must be a dict, got {type(package).__name__}.")
    if not package.keys() >= INDISPENSABLE_KEYS:
        missing = [key for key in REQUIRED_KEYS if key in INDISPENSABLE_KEYS and key not in package]
        raise PackageError(f"The package has no {' and no '.join(missing)}.")
    task_id, func = package["id"], package["func"]
    if not isinstance(task_id, str) or not 0 < len(task_id) <= 32:
        raise PackageError("The package's id must be a string of 1 to 32 characters.")
    if not isinstance(func, str) and not callable(func):
        raise PackageError(
            f"The package's func must be a name or callable, got {represent(func, 200)}."
        )
    if "stopped" in package:  # a predecessor has left it in the cache
        raise PackageError("It is the result of a task, and no task.")
    if not isinstance(package.get("started"), datetime):
        raise PackageError("The package's started must be a datetime.")
    package["name"] = str(package["name"])
    package["args"] = as_args(package.get("args"))
    kwargs = package["kwargs"] = package.get("kwargs") or {}
    if type(kwargs) is not dict and not isinstance(kwargs, Mapping):
        raise PackageError(f"The package's kwargs must be a dict, got {type(kwargs).__name__}.")
    return package  # type: ignore[return-value]


def as_args(args: Any) -> tuple:
    """Make positional arguments of what stands for them: a sequence, a single value, nothing."""
    if type(args) is tuple:
        return args
    if isinstance(args, Sequence) and not isinstance(args, str):
        return tuple(args)
    return (args,) if args else ()


def resolve(path: str) -> Any:
    """Find an object by its dotted name: a module's attribute, nested ones too, or a builtin.

    Raises ``ImportError`` or ``AttributeError``, whichever says what is missing, and what the
    module itself raises while it is imported.
    """
    module, _, name = path.rpartition(".")
    loaded = sys.modules.get(module)
    if loaded is not None and hasattr(loaded, name):
        return getattr(loaded, name)
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


def recorded_name(func: Any) -> str:
    """Name a callable so that the name is a dotted path only where it leads to the very same.

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
    """Whether a callable is found by a path."""
    try:
        return bool(resolve(path) == func)
    except BaseException as error:  # whatever a module or an object does
        contain_error(error)
        return False


def importable_name(func: Any, what: str) -> str:
    """Name a callable by the path it can be imported by; a name stays as it is.

    Raises ``PackageError`` where there is none. ``what`` says what it is for.
    """
    path = dotted_name(func)
    if isinstance(func, str) or resolves_to(path, func):
        return path
    raise PackageError(
        f"{what} must be importable by name, and '{path}' is not: "
        "define it at the top of a module, or pass its dotted path."
    )
