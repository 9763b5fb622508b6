"""Which functions may run: ``Q_CLUSTER["functions"]``.

A name that is listed may run, whatever it leads to. What is below ``package.*`` may run where it
is really defined below that, too: a module also holds what it has imported, and
``shop.tasks.os.system`` is none of its functions. What an object says of itself counts only where
it is found there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any

from django_q.conf import Conf
from django_q.exceptions import FunctionRefused
from django_q.wire.package import (
    TaskPackage,
    dotted_name,
    link_parts,
    resolve,
    resolve_callable,
    take_options,
)

#: What stands behind the name of a package, for all that is below it.
PACKAGE_WILDCARD = ".*"


def listed_names() -> tuple[str, ...]:
    """Give what is listed. What is no list allows nothing; system checks say so."""
    found = Conf.FUNCTIONS
    return tuple(found) if isinstance(found, (list, tuple, set, frozenset)) else ()


def is_listed(name: str) -> bool:
    """Whether a name is listed itself."""
    return name in listed_names() and not name.endswith(PACKAGE_WILDCARD)


def is_below(name: str) -> bool:
    """Whether a name is below a package that is listed, however deep."""
    packages = (
        each[:-1]
        for each in listed_names()
        if isinstance(each, str) and each.endswith(PACKAGE_WILDCARD)
    )
    return any(name.startswith(package) and len(name) > len(package) for package in packages)


def permitted(func: str | Callable, what: str) -> Callable:
    """Find what is to be called. Raises ``FunctionRefused`` where it may not be."""
    if Conf.FUNCTIONS is None:
        return resolve_callable(func)
    check_name(func, what)  # before anything is imported
    found = resolve(func) if isinstance(func, str) else func
    check_found(func, found, what)
    return resolve_callable(func if isinstance(func, str) and not callable(found) else found)


def check(func: str | Callable, what: str) -> None:
    """Raise ``FunctionRefused`` for what may not run; what is not found here may be elsewhere."""
    if Conf.FUNCTIONS is None:
        return
    check_name(func, what)
    try:
        found = resolve(func) if isinstance(func, str) else func
    except Exception:  # whatever its module raises; who calls it is told
        return
    check_found(func, found, what)


def check_name(func: str | Callable, what: str) -> None:
    """Raise ``FunctionRefused`` for a name that is neither listed nor below what is."""
    if isinstance(func, str) and not is_listed(func) and not is_below(func):
        raise function_refused(what, func)


def check_found(func: str | Callable, found: Callable, what: str) -> None:
    """Raise ``FunctionRefused`` where what would be called is defined elsewhere."""
    if isinstance(func, str) and is_listed(func):
        return
    home = defining_path(found)
    if not home or not (is_listed(home) or is_below(home)):
        raise function_refused(what, func if isinstance(func, str) else dotted_name(func), home)


def function_refused(what: str, name: str, home: str = "") -> FunctionRefused:
    """Say that a function may not run, and what to do."""
    really = "" if home == name else f", which is {home or 'defined nowhere that can be named'},"
    return FunctionRefused(
        f"{what} '{name}'{really} may not run, as Q_CLUSTER['functions'] does not list it. "
        f"Add '{name}' there if it may."
    )


def defining_path(func: Any) -> str:
    """Tell where what is called is defined; of an object, its class. Empty where it is nowhere."""
    func = unwrapped(func)
    return verified_path(func) or verified_path(type(func))


def unwrapped(func: Any) -> Any:
    """Find the function in what only adds arguments to it."""
    while type(func) in (partial, MethodType):
        func = func.func if type(func) is partial else func.__func__
    return func


def verified_path(thing: Any) -> str:
    """Give the path that an object says it has; empty unless it is found there."""
    try:
        path = f"{thing.__module__}.{thing.__qualname__}"
        return path if unwrapped(resolve(path)) is thing else ""
    except Exception:  # a class that answers in its own way, or a module that does not load
        return ""


def check_package(package: TaskPackage) -> None:
    """Raise ``FunctionRefused`` unless all may run that a package asks for."""
    check(package["func"], "The function")
    if hook := package.get("hook"):
        check(hook, "The hook")
    for number, link in enumerate(package.get("chain") or (), 1):
        func, _args, kwargs = link_parts(link)
        check(func, f"The function of link {number}")
        options, _rest = take_options(kwargs)
        if hook := options.get("hook"):
            check(hook, f"The hook of link {number}")


def refusal_reasons(calls: Mapping[str, Any]) -> dict[str, str]:
    """Give the reasons why functions may not run, by the names they are given with."""
    found = {}
    for name, func in calls.items():
        try:
            check(func, "The function" if name == "func" else "The hook")
        except FunctionRefused as error:
            found[name] = str(error)
    return found
