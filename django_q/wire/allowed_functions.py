"""Check which functions may run: ``Q_CLUSTER["functions"]``.

A name that is listed may run, whatever it refers to. A name below ``package.*`` may run only if its
object is defined below that package, too: a module also has what it has imported, and
``shop.tasks.os.system`` is none of its functions. The path that an object claims to have counts
only if the object is found there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import Any

from django_q.conf import Conf
from django_q.exceptions import FunctionRefused
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.text.function_names import dotted_name
from django_q.wire.callables import resolve, resolve_callable, task_function
from django_q.wire.package import TaskPackage, link_parts, take_options

#: The end of an entry that allows all that is defined below a package.
PACKAGE_WILDCARD = ".*"


def listed_names() -> tuple[str, ...]:
    """Return the entries of the setting; none if it is no list, which a check reports."""
    found = Conf.FUNCTIONS
    return tuple(found) if isinstance(found, (list, tuple, set, frozenset)) else ()


def is_listed(name: str) -> bool:
    """Return True if the name itself is listed."""
    return name in listed_names() and not name.endswith(PACKAGE_WILDCARD)


def is_below(name: str) -> bool:
    """Return True if a name is below a listed package, at any depth."""
    packages = (
        each[:-1]
        for each in listed_names()
        if isinstance(each, str) and each.endswith(PACKAGE_WILDCARD)
    )
    return any(name.startswith(package) and len(name) > len(package) for package in packages)


def permitted(func: str | Callable, what: str) -> Callable:
    """Return the callable of a name. Raises ``FunctionRefused`` if it may not run."""
    if Conf.FUNCTIONS is None:
        return resolve_callable(func)
    check_name(func, what)  # before anything is imported
    found = resolve(func) if isinstance(func, str) else func
    check_found(func, found, what)
    return resolve_callable(func if isinstance(func, str) and not callable(found) else found)


def check(func: str | Callable, what: str) -> None:
    """Raise ``FunctionRefused`` for what may not run; a name may exist in the cluster only."""
    if Conf.FUNCTIONS is None:
        return
    check_name(func, what)
    try:
        found = resolve(func) if isinstance(func, str) else func
    except Exception:  # the import may raise anything; whoever calls it gets that
        return
    check_found(func, found, what)


def check_name(func: str | Callable, what: str) -> None:
    """Raise ``FunctionRefused`` for a name that is neither listed nor below a listed package."""
    if isinstance(func, str) and not is_listed(func) and not is_below(func):
        raise function_refused(what, func)


def check_found(func: str | Callable, found: Callable, what: str) -> None:
    """Raise ``FunctionRefused`` if the object of a name is defined outside of what is listed."""
    if isinstance(func, str) and is_listed(func):
        return
    home = defining_path(found)
    if not home or not (is_listed(home) or is_below(home)):
        raise function_refused(what, func if isinstance(func, str) else dotted_name(func), home)


def function_refused(what: str, name: str, home: str = "") -> FunctionRefused:
    """Make the error that says which function may not run, and how to allow it."""
    actual = "" if home == name else f", which is {home or 'defined nowhere that can be named'},"
    return FunctionRefused(
        f"{what} '{name}'{actual} may not run, as Q_CLUSTER['functions'] does not list it. "
        f"Add '{name}' there if it may."
    )


def defining_path(func: Any) -> str:
    """Return the path where a callable, or the class of an object, is defined; empty if unknown."""
    func = unwrapped(func)
    return verified_path(func) or verified_path(type(func))


def unwrapped(func: Any) -> Any:
    """Return the function inside partials, bound methods and tasks."""
    func = func if callable(func) else task_function(func)
    while True:
        if type(func) is partial:
            func = func.func
        elif type(func) is MethodType:
            func = func.__func__
        elif isinstance(func, FunctionWithOptions):
            func = resolve_callable(func)
        else:
            return func


def verified_path(thing: Any) -> str:
    """Return the path that an object claims to have; empty unless it is found there."""
    try:
        path = f"{thing.__module__}.{thing.__qualname__}"
        return path if unwrapped(resolve(path)) is thing else ""
    except Exception:  # attributes of its class, or the import, may raise anything
        return ""


def check_package(package: TaskPackage) -> None:
    """Raise ``FunctionRefused`` unless function, hook and all links of a package may run."""
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
    """Return the reasons why functions may not run, by the keys of ``calls``."""
    found = {}
    for name, func in calls.items():
        try:
            check(func, "The function" if name == "func" else "The hook")
        except FunctionRefused as error:
            found[name] = str(error)
    return found
