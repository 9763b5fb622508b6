"""The options of a call: what each may be, and how what means one thing becomes that.

One table. It is applied where a call is made, again when receivers of ``pre_enqueue`` have had the
package, and when a package is read. What an option can not be raises ``PackageError``, which says
what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.wire import allowed_functions
from django_q.wire.option_types import (
    LONGEST_NAME,
    MOST,
    broker,
    client,
    flag,
    function,
    hook,
    is_path,
    keep,
    label,
    queue_name,
    seconds,
    shown,
    whole,
)
from django_q.wire.package import (
    BARE,
    CHAINED,
    KNOWN,
    OPTIONS,
    REQUIRED,
    RUNTIME,
    TaskPackage,
    link_parts,
    options_in,
)


class Kind(NamedTuple):
    """What an option may be."""

    expected: str
    #: Gives the value as it travels, or raises.
    normal: Callable[[Any], Any]


def links(value: Any) -> list[Any] | None:
    """Take the links of a chain, each in the form it was given."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError
    return [link(each) for each in value] or None


def link(value: Any) -> Any:
    """Take one link. Its options are made what they mean, and it stays as it is otherwise."""
    try:
        func, args, kwargs = link_parts(value)
        func, normal = checked_function(func), normal_kwargs(kwargs)
    except PackageError as error:
        raise PackageError(f"{error} It is in the link {shown(value)} of a chain.") from error
    return value if normal == kwargs and is_same(value, func) else (func, args, normal)


def is_same(value: Any, func: Any) -> bool:
    """Whether the function of a link stands in it as it travels."""
    return func is (value if isinstance(value, str) or callable(value) else value[0])


def chain_options(value: Any) -> dict[str, bool]:
    """Take how a chain goes on."""
    return {name: flag(value[name]) for name in value}


CALLABLE = "a dotted path such as 'shop.tasks.send', or something that can be called"
FUNCTION = Kind(CALLABLE, function)
LABEL = Kind("a text, or a number or UUID that stands for one", label)
FLAG = Kind("True or False", flag)
COUNT = Kind(f"a whole number from 0 to {MOST}", whole)
KEPT = Kind("True, False, or a number of seconds such as 60 for the result to be kept", keep)
QUEUE = Kind(f"the name of a queue, of {LONGEST_NAME} printable characters at most", queue_name)

TABLE: dict[str, Kind] = {
    "hook": Kind(CALLABLE, hook),
    "group": LABEL,
    "task_name": LABEL,
    "save": FLAG,
    "sync": FLAG,
    "cached": KEPT,
    "ack_failure": FLAG,
    "iter_count": COUNT,
    "iter_position": COUNT,
    "iter_group": LABEL,
    "iter_name": LABEL,
    "iter_cached": KEPT,
    "chain": Kind(
        "a list of calls, each func, (func, args) or (func, args, kwargs), with functions that "
        "can be called or are named by dotted path",
        links,
    ),
    "chain_options": Kind("a dictionary of truth values", chain_options),
    "cluster": QUEUE,
    "timeout": Kind("a number of seconds such as 30, or -1 for no limit", seconds),
    "max_attempts": COUNT,
    "schedule": COUNT,
    "on_commit": FLAG,
    "list_key": QUEUE,
    "broker": Kind("a broker such as get_broker() gives", broker),
    "redis": Kind("a Redis client such as redis.Redis.from_url(...) gives", client),
}


def normal(name: str, value: Any, kind: Kind | None = None, what: str = "") -> Any:
    """Give a value as it travels; None where it is none. Raises ``PackageError``."""
    if value is None:
        return None
    kind = kind or TABLE[name]
    try:
        return kind.normal(value)
    except PackageError:
        raise
    except Exception as error:  # whatever a value does that is asked what it is
        what = what or f"The option '{name}'"
        raise PackageError(f"{what} must be {kind.expected}; got {shown(value)}.") from error


def checked_function(func: Any, what: str = "The function of a task") -> Any:
    """Give what is to be called as it travels. Raises ``PackageError``."""
    try:
        return function(func)
    except Exception as error:
        raise PackageError(f"{what} must be {CALLABLE}; got {shown(func)}.") from error


def normal_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options as they travel. Those that nobody knows are left as they are."""
    return {
        name: normal(name, value) if name in KNOWN else value for name, value in options.items()
    }


def normal_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the keyword arguments of a call that is made later, with the options among them."""
    if odd := [name for name in kwargs if not isinstance(name, str)]:
        raise PackageError(f"The names of arguments must be text; got {shown(odd[0])}.")
    own = {name: normal(name, kwargs[name]) for name in BARE & kwargs.keys()}
    if "q_options" in kwargs:
        own["q_options"] = normal_options(options_in(kwargs["q_options"]))
    return {**kwargs, **own}


def accept(package: TaskPackage) -> TaskPackage:
    """Make the options of a package what they mean, or raise ``PackageError`` for what can not run.

    The one place that every call passes: where it is made, behind the receivers of
    ``pre_enqueue``, and where it is read. Changes the package itself.
    """
    func = package["func"]
    if type(func) is not str or not is_path(func):
        package["func"] = checked_function(func)
    if len(package) > len(REQUIRED):
        values: dict[str, Any] = package  # type: ignore[assignment]
        for name in RUNTIME & values.keys():
            del values[name]
        for name in (OPTIONS | {"schedule"}) & values.keys():
            values[name] = normal(name, values[name])
            if values[name] is None and name not in CHAINED:
                del values[name]
    if Conf.FUNCTIONS is not None:
        allowed_functions.check_package(package)
    return package
