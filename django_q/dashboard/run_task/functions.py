"""The functions that somebody may run by a form: those that ``Q_CLUSTER["functions"]`` lists."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from types import FunctionType, ModuleType

from django_q.exceptions import contain_error
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.wire.allowed_functions import PACKAGE_WILDCARD, listed_names
from django_q.wire.callables import resolve

#: Functions that are listed at most.
MAX_LISTED_FUNCTIONS = 500


def runnable_names() -> list[str]:
    """Name the functions: those that are listed, and those below ``package.*``, sorted.

    Below a package they are those that its modules define, as far as they are imported here.
    """
    found = {name for entry in listed_names() if isinstance(entry, str) for name in names_of(entry)}
    return list(islice(sorted(found), MAX_LISTED_FUNCTIONS))


def names_of(entry: str) -> Iterator[str]:
    """Yield the names that an entry of the setting allows."""
    if not entry.endswith(PACKAGE_WILDCARD):
        yield entry
        return
    package = entry.removesuffix(PACKAGE_WILDCARD)
    try:
        resolve(package)
    except BaseException as error:  # a module may raise anything while it is imported
        contain_error(error)
        return
    for name, module in sorted(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            yield from functions_in(module)


def functions_in(module: ModuleType) -> Iterator[str]:
    """Yield the names of the public functions that a module defines itself."""
    for name, value in list(vars(module).items()):
        is_function = isinstance(value, (FunctionType, FunctionWithOptions))
        is_own = is_function and getattr(value, "__module__", "") == module.__name__
        if is_own and not name.startswith("_"):
            yield f"{module.__name__}.{name}"
