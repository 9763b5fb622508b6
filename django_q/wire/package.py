"""Define the package: the dictionary as which a task travels.

It is a plain dictionary because receivers of signals index it, and because Django Q and django-q2
send one. Its keys are declared here.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import md5
from typing import Any

from django.utils import timezone

from django_q.exceptions import PackageError
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.humanhash import humanize
from django_q.text.representation import represent
from django_q.wire.callables import is_callable, sent_name
from django_q.wire.framework_call import FRAMEWORK_KEYS, FrameworkPackage


class TaskPackage(FrameworkPackage, total=False):
    """A task. The first six keys are required, all others optional."""

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
    # An item of an iterable: its group is the iterable's id; hook and save apply to the iterable
    iter_count: int  # how many items there are
    iter_position: int  # counts from 0
    iter_group: str  # group of the iterable
    iter_name: str  # name of the iterable
    iter_cached: bool | int  # its option cached; for django-q2 each item has a cached of its own
    chain: list  # the links that follow this one
    chain_options: dict
    cluster: str  # name of the queue it was sent to
    timeout: float
    max_attempts: int
    # How it waits in its queue:
    priority: int  # -100 to 100; higher ones come first
    run_after: float | str  # seconds from when it is enqueued, or a time as ISO 8601 in UTC
    expires: float | str  # as above; it is not begun after that
    unique: bool | str  # True: by function and arguments
    unique_for: float  # seconds after its end
    on_duplicate: str
    idempotency_key: str
    idempotency_for: float  # seconds
    track: bool
    # What becomes of it when it fails:
    retries: int  # how often it is run again after an end that is recorded
    retry_delay: float  # seconds before the first time
    retry_backoff: float  # each delay is so many times the one before
    retry_max_delay: float  # seconds
    retry_jitter: float  # share of a delay, from 0 to 1, that is left to chance
    retry_on: list[str]  # paths of exception classes; None for all
    no_retry_on: list[str]
    soft_timeout: float  # seconds after which SoftTimeout is raised in it
    earlier_ends: str  # of a failure that is run again: how it had ended, in JSON
    chain_started: float  # of a link: when its chain was submitted, in seconds since the epoch
    context: str  # what it has of its caller's context, in JSON
    schedule: int  # key of the schedule in which the end of the task is recorded
    # Added while it runs:
    ack_id: Any  # receipt of the delivery
    attempt: int  # counts from 1
    leased_until: float  # monotonic, on the host that took it
    resumed: int  # how often what follows from its success has been tried before
    begun: float  # when this attempt began, in seconds since the epoch
    worker: str  # the process that ran it: "host:pid"
    announced: bool  # its end was told to the receivers of the framework's signals
    expired: float  # it was not begun: seconds since its option expires had ended
    ends: list[dict]  # how its attempts have ended, see completion.attempts
    ended_count: int  # how many ends were recorded, of which `ends` has the last
    deaths: int  # how many of them were deaths of its worker
    position: dict  # how far an earlier attempt has got, by the loop's number
    last_position: dict  # how far this one had got when it failed, where that is known
    cancelled: str  # who has cancelled it, and when
    retry_in: float  # it has failed, and is to be run again after so many seconds
    stopped_at: dict  # it was interrupted by the stop of its cluster: its position
    exception: str  # of a failure: the path of the class of its exception
    fingerprint: str  # of a failure: 32 hexadecimal digits, the same for failures of one kind
    result: Any
    success: bool
    stopped: datetime


REQUIRED_KEYS = ("id", "name", "func", "args", "kwargs", "started")
#: Required keys for which there is no default.
INDISPENSABLE_KEYS = frozenset(REQUIRED_KEYS[:3])

#: Options that say how a task waits in its queue; a cluster runs a task without them.
QUEUE_OPTIONS = frozenset(
    {
        *("priority", "run_after", "expires", "unique", "unique_for", "on_duplicate"),
        *("idempotency_key", "idempotency_for", "track"),
    }
)
#: Options that say what becomes of a task that fails.
RETRY_OPTIONS = frozenset(
    {
        *("retries", "retry_delay", "retry_backoff", "retry_max_delay", "retry_jitter"),
        *("retry_on", "no_retry_on"),
    }
)
#: Options that have no predecessor: they stand in ``q_options`` alone, as a function may have
#: arguments of these names.
NEW_OPTIONS = QUEUE_OPTIONS | RETRY_OPTIONS | {"soft_timeout"}
#: Options of a call that travel with the package.
PACKAGE_OPTIONS = NEW_OPTIONS | frozenset(
    {
        *("hook", "group", "save", "sync", "cached", "ack_failure", "cluster", "timeout"),
        *("iter_count", "iter_position", "iter_group", "iter_name", "iter_cached"),
        *("chain", "chain_options", "max_attempts", "task_name"),
    }
)
#: Options that a package may have, and the keys that a schedule and the framework's backend add.
TRAVELLING_OPTIONS = PACKAGE_OPTIONS | FRAMEWORK_KEYS | {"schedule"}
#: Options of a call that choose where its package goes, and do not travel with it.
ROUTING_OPTIONS = frozenset({"broker", "redis", "list_key", "on_commit"})
KNOWN_OPTIONS = PACKAGE_OPTIONS | ROUTING_OPTIONS
#: Options that may be keyword arguments of a call, as in a predecessor.
KEYWORD_OPTIONS = (
    KNOWN_OPTIONS
    - NEW_OPTIONS
    - {"max_attempts", "iter_position", "iter_group", "iter_name", "chain_options"}
)
#: Options of a task that the link behind it has, too, unless it has its own.
INHERITED_OPTIONS = (
    *("group", "cached", "sync", "cluster", "save", "chain_options"),
    *("priority", "track"),
    *sorted(RETRY_OPTIONS),
    "soft_timeout",
)
#: Keys that a cluster of django-q2 requires in the package of a chain.
CHAIN_DEFAULTS = {"group": None, "cached": False, "sync": False}
#: Keys that are added while a task runs; they are removed from a package that is read.
RUNTIME_KEYS = frozenset(
    {
        *("ack_id", "attempt", "leased_until", "handed_back", "collated", "expired", "cancelled"),
        *("begun", "worker", "announced", "exception", "fingerprint"),
        *("result", "success", "stopped"),
        *("ends", "ended_count", "deaths", "position", "last_position", "retry_in", "stopped_at"),
    }
)


def take_options(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call into (options, arguments of the function).

    Options are among the arguments or in a ``q_options`` dictionary, which has precedence. Inside
    ``q_options`` each key is an option.
    """
    if not kwargs:
        return {}, {}
    rest = dict(kwargs)
    # A frozenset & keys would walk through all of the frozenset, however few arguments there are.
    options = {key: rest.pop(key) for key in KEYWORD_OPTIONS.intersection(rest)}
    options.update(options_in(rest.pop("q_options", None)))
    return options, rest


def call_by_name(
    func: FunctionWithOptions, kwargs: dict[str, Any], given: Collection[str] = ()
) -> tuple[str, dict[str, Any]]:
    """Return the path of a function, and its arguments with its options, but for those given."""
    options, rest = take_options(kwargs)
    own = {name: value for name, value in func.options.items() if name not in given}
    return sent_name(func), {**rest, "q_options": {**own, **options}}


def options_in(q_options: Any) -> Mapping[str, Any]:
    """Return the options in ``q_options``. Raises ``PackageError`` if it is no dictionary."""
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

    The first six are the time in sixteenths of a second, and repeat every twelve days. So rows that
    are saved together are close to each other in the index of a large table, where random ids would
    each change another page; and names of tasks of the same time still differ in all words.
    After J. Nilsson, "The Cost of GUIDs as Primary Keys", 2002.
    """
    return f"{int(time.time() * 16) & 0xFFFFFF:06x}{os.urandom(13).hex()}"


def encodes_time(task_id: str, moment: datetime) -> bool:
    """Return True if ``new_id`` can have made an id within a minute of a time."""
    try:
        sixteenths = int(task_id[:6], 16)
    except ValueError:
        return False
    minute = 60 * 16
    return (int(moment.timestamp() * 16) - sixteenths + minute) & 0xFFFFFF < 2 * minute


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
    inherited = {key: package.get(key) for key in INHERITED_OPTIONS}
    options = inherited | options | {"chain": rest or None}
    args = (result, *args) if settings.get("pass_result") else args
    link = new_package(func, args, kwargs, options, link_id(package["id"]))
    if "context" in package:
        link["context"] = package["context"]
    if (start := chain_start(package)) is not None:
        link["chain_started"] = start
    return link


def chain_start(package: TaskPackage) -> float | None:
    """Return when a task was submitted, or the chain of which it is a link.

    In seconds since the epoch, by the clock of whoever submitted it; None where that is no time.
    """
    start = package.get("chain_started")
    if type(start) is float and math.isfinite(start):
        return start
    try:
        return package["started"].timestamp()
    except (KeyError, AttributeError, ValueError, OverflowError, OSError):
        return None


def is_iterable_item(package: TaskPackage) -> bool:
    """Return whether a task is an item of an iterable, whose id is its group."""
    if not package.get("iter_count"):
        return False
    group = package.get("group")
    return isinstance(group, str) and 0 < len(group) <= 32 and group.isprintable()


def link_parts(link: Any, given: Collection[str] = ()) -> tuple[str | Callable, tuple, dict]:
    """Split a call into function, args and kwargs: ``func``, ``(func, args)`` or all three.

    Options that are ``given`` for all calls come before those of a task function. Raises
    ``PackageError`` for anything else.
    """
    if isinstance(link, str) or is_callable(link):
        link = (link,)
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
    if isinstance(func, FunctionWithOptions):
        func, kwargs = call_by_name(func, dict(kwargs or {}), given)
    return func, args, dict(kwargs or {})


def derived_id(*parts: str) -> str:
    """Derive a task id from parts that identify the task: the same parts give the same id."""
    return md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


def link_id(task_id: str) -> str:
    """Return the id of the link of a chain that follows the one with this id."""
    return derived_id(task_id, "next")


def checked_package(package: Any) -> TaskPackage:
    """Check a package that was read, and add defaults. Raises ``PackageError`` with the fault."""
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
    if "stopped" in package:  # a predecessor keeps such results in the cache
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
    """Make a tuple of positional arguments from a sequence, a single value, or nothing."""
    if type(args) is tuple:
        return args
    if isinstance(args, Sequence) and not isinstance(args, str):
        return tuple(args)
    return (args,) if args else ()
