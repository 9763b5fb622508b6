"""Validate the options of a call, and convert them to the form in which they travel.

There is one table of types. It is applied when a call is made, again after receivers of
``pre_enqueue`` have changed the package, and when a package is read. An invalid value raises
``PackageError``, which says what was expected. A package that is read only loses what is invalid of
``NEW_OPTIONS``: the task has waited, and can be run without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django_q.conf import Conf, logger
from django_q.exceptions import PackageError
from django_q.wire import allowed_functions
from django_q.wire.option_types import (
    DUPLICATE_CHOICES,
    MAX_BACKOFF,
    MAX_INTEGER,
    MAX_PRIORITY,
    MAX_QUEUE_NAME_LENGTH,
    MIN_PRIORITY,
    backoff,
    broker,
    cache_seconds,
    client,
    duration,
    exceptions,
    expires,
    flag,
    function,
    hook,
    is_path,
    key,
    label,
    non_negative_integer,
    on_duplicate,
    positive_duration,
    priority,
    queue_name,
    run_after,
    seconds,
    share,
    shown,
    unique,
)
from django_q.wire.package import (
    CHAIN_DEFAULTS,
    KEYWORD_OPTIONS,
    KNOWN_OPTIONS,
    NEW_OPTIONS,
    REQUIRED_KEYS,
    RUNTIME_KEYS,
    TRAVELLING_OPTIONS,
    TaskPackage,
    link_parts,
    options_in,
)
from django_q.wire.queue_options import check_queue_options


class OptionType(NamedTuple):
    """The type of an option: what is expected, in words, and the function that converts to it."""

    expected: str
    #: Returns the value as it travels, or raises any error.
    normalize: Callable[[Any], Any]


def links(value: Any) -> list[Any] | None:
    """Validate the links of a chain; no links mean None."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError
    return [link(each) for each in value] or None


def link(value: Any) -> Any:
    """Validate one link and convert its options; otherwise it keeps its form."""
    try:
        func, args, kwargs = link_parts(value)
        func, normal = checked_function(func), normalize_kwargs(kwargs)
    except PackageError as error:
        raise PackageError(f"{error} It is in the link {shown(value)} of a chain.") from error
    return value if normal == kwargs and is_unchanged_link(value, func) else (func, args, normal)


def is_unchanged_link(value: Any, func: Any) -> bool:
    """Return True if validation has not changed the function of a link."""
    return func is (value[0] if isinstance(value, (tuple, list)) else value)


def chain_options(value: Any) -> dict[str, bool]:
    """Convert the truth values of the option ``chain_options``."""
    return {name: flag(value[name]) for name in value}


CALLABLE_TEXT = "a dotted path such as 'shop.tasks.send', or something that can be called"
LABEL_TYPE = OptionType("a text, or a number or UUID that stands for one", label)
FLAG_TYPE = OptionType("True or False", flag)
COUNT_TYPE = OptionType(f"a whole number from 0 to {MAX_INTEGER}", non_negative_integer)
CACHED_TYPE = OptionType(
    "True, False, or a number of seconds such as 60 for the result to be kept", cache_seconds
)
QUEUE_NAME_TYPE = OptionType(
    f"the name of a queue, of {MAX_QUEUE_NAME_LENGTH} printable characters at most", queue_name
)
MOMENT_TEXT = "a datetime with a time zone, a timedelta, or a number of seconds"
KEY_TEXT = "a text that is not empty, or a number or UUID that stands for one"
POSITIVE_DURATION_TYPE = OptionType(
    "a number of seconds above 0, or a timedelta", positive_duration
)

EXCEPTIONS_TYPE = OptionType(
    "an exception class, its dotted path such as 'requests.exceptions.Timeout', or a list of them",
    exceptions,
)

PACKAGE_OPTION_TYPES: dict[str, OptionType] = {
    "priority": OptionType(f"a whole number from {MIN_PRIORITY} to {MAX_PRIORITY}", priority),
    "run_after": OptionType(f"{MOMENT_TEXT} from 0 on", run_after),
    "expires": OptionType(f"{MOMENT_TEXT} above 0", expires),
    "unique": OptionType(f"True, or {KEY_TEXT}", unique),
    "unique_for": OptionType("a number of seconds from 0 on, or a timedelta", duration),
    "on_duplicate": OptionType(
        f"one of {', '.join(repr(choice) for choice in DUPLICATE_CHOICES)}", on_duplicate
    ),
    "idempotency_key": OptionType(KEY_TEXT, key),
    "idempotency_for": POSITIVE_DURATION_TYPE,
    "track": FLAG_TYPE,
    "retries": COUNT_TYPE,
    "retry_delay": OptionType("a number of seconds from 0 on, or a timedelta", duration),
    "retry_backoff": OptionType(
        f"True, False, or a number from 1 to {MAX_BACKOFF} such as 2, by which each delay is "
        "multiplied",
        backoff,
    ),
    "retry_max_delay": POSITIVE_DURATION_TYPE,
    "retry_jitter": OptionType("True, False, or a share from 0 to 1 such as 0.2", share),
    "retry_on": EXCEPTIONS_TYPE,
    "no_retry_on": EXCEPTIONS_TYPE,
    "soft_timeout": POSITIVE_DURATION_TYPE,
    "hook": OptionType(CALLABLE_TEXT, hook),
    "group": LABEL_TYPE,
    "task_name": LABEL_TYPE,
    "save": FLAG_TYPE,
    "sync": FLAG_TYPE,
    "cached": CACHED_TYPE,
    "ack_failure": FLAG_TYPE,
    "iter_count": COUNT_TYPE,
    "iter_position": COUNT_TYPE,
    "iter_group": LABEL_TYPE,
    "iter_name": LABEL_TYPE,
    "iter_cached": CACHED_TYPE,
    "chain": OptionType(
        "a list of calls, each func, (func, args) or (func, args, kwargs), with functions that "
        "can be called or are named by dotted path",
        links,
    ),
    "chain_options": OptionType("a dictionary of truth values", chain_options),
    "cluster": QUEUE_NAME_TYPE,
    "timeout": OptionType("a number of seconds such as 30, or -1 for no limit", seconds),
    "max_attempts": COUNT_TYPE,
    "schedule": COUNT_TYPE,
    "backend": LABEL_TYPE,
    "queue": LABEL_TYPE,
    "takes_context": FLAG_TYPE,
    "arguments": LABEL_TYPE,
    "keep_for": OptionType("a number of seconds from 0 on, or a timedelta", duration),
    "on_commit": FLAG_TYPE,
    "list_key": QUEUE_NAME_TYPE,
    "broker": OptionType("a broker such as get_broker() gives", broker),
    "redis": OptionType("a Redis client such as redis.Redis.from_url(...) gives", client),
}


def normalize_option(name: str, value: Any, kind: OptionType | None = None, what: str = "") -> Any:
    """Convert the value of an option; None stays None. Raises ``PackageError``."""
    if value is None:
        return None
    kind = kind or PACKAGE_OPTION_TYPES[name]
    try:
        return kind.normalize(value)
    except PackageError:
        raise
    except Exception as error:  # a value's own methods may raise anything
        what = what or f"The option '{name}'"
        raise PackageError(f"{what} must be {kind.expected}; got {shown(value)}.") from error


def checked_function(func: Any, what: str = "The function of a task") -> Any:
    """Validate a callable or its dotted path. Raises ``PackageError``."""
    try:
        return function(func)
    except PackageError:
        raise
    except Exception as error:
        raise PackageError(f"{what} must be {CALLABLE_TEXT}; got {shown(func)}.") from error


def normalize_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the values of options. Unknown options are left as they are."""
    return {
        name: normalize_option(name, value) if name in KNOWN_OPTIONS else value
        for name, value in options.items()
    }


def normalize_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the options among the keyword arguments of a call that is made later."""
    if invalid := [name for name in kwargs if not isinstance(name, str)]:
        raise PackageError(f"The names of arguments must be text; got {shown(invalid[0])}.")
    own = {name: normalize_option(name, kwargs[name]) for name in KEYWORD_OPTIONS & kwargs.keys()}
    if "q_options" in kwargs:
        own["q_options"] = normalize_options(options_in(kwargs["q_options"]))
        check_queue_options(own["q_options"])
    return {**kwargs, **own}


def normalize_package(package: TaskPackage, is_read: bool = False) -> TaskPackage:
    """Convert the options of a package in place, or raise ``PackageError`` for what can not run.

    Each call passes here: when it is made, after the receivers of ``pre_enqueue``, and when its
    package is read.
    """
    func = package["func"]
    if type(func) is not str or not is_path(func):
        package["func"] = checked_function(func)
    if len(package) > len(REQUIRED_KEYS):
        values: dict[str, Any] = package  # type: ignore[assignment]
        for name in RUNTIME_KEYS.intersection(values):
            del values[name]
        if is_read:
            drop_invalid_options(values)
        for name in TRAVELLING_OPTIONS.intersection(values):
            values[name] = normalize_option(name, values[name])
            if values[name] is None and name not in CHAIN_DEFAULTS:
                del values[name]
        if not is_read and not NEW_OPTIONS.isdisjoint(values):
            check_queue_options(values)
    if Conf.FUNCTIONS is not None:
        allowed_functions.check_package(package)
    return package


def drop_invalid_options(package: dict[str, Any]) -> None:
    """Remove from a package, and from its links, what is invalid of ``NEW_OPTIONS``."""
    reasons = []
    for name in NEW_OPTIONS & package.keys():
        try:
            normalize_option(name, package[name])
        except PackageError as error:
            del package[name]
            reasons.append(str(error))
    if type(package.get("chain")) in (list, tuple):
        package["chain"] = [readable_link(each, reasons) for each in package["chain"]]
    if reasons:
        logger.warning(
            "task %s has options that can not be read and is run without them: %s",
            shown(package["id"]),
            " ".join(reasons),
        )


def readable_link(value: Any, reasons: list[str]) -> Any:
    """Remove the ``NEW_OPTIONS`` of a link if they are invalid, and add the reason."""
    try:
        func, args, kwargs = link_parts(value)
        given = options_in(kwargs.get("q_options"))
        own = {name: given[name] for name in NEW_OPTIONS & given.keys()}
        if not own:
            return value
    except (PackageError, TypeError):  # the link itself is invalid
        return value
    try:
        check_queue_options(normalize_options(own))
    except PackageError as error:
        reasons.append(str(error))
        rest = {name: given[name] for name in given if name not in own}
        return func, args, {**kwargs, "q_options": rest}
    return value
