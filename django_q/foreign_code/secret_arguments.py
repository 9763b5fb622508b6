"""Which arguments of a task nobody is to see: ``@task(secret=...)`` names their parameters."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.text.representation import LiteralRepr

#: What is shown in the place of a secret.
HIDDEN_VALUE = LiteralRepr("\N{BULLET}" * 6)


def secret_arguments_of(func: str | Callable[..., Any]) -> frozenset[str]:
    """Return the names of the parameters of a function whose values are secret.

    ``func`` is a callable or a dotted path. Nothing is imported: a function whose module has not
    been imported into this process has none.
    """
    found = decorated(func)
    return found.secret_arguments if found else frozenset()


def with_hidden_arguments(
    func: str | Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Copy the arguments of a call, with ``HIDDEN_VALUE`` in the place of each secret."""
    found = decorated(func)
    if not found or not found.secret_arguments:
        return tuple(args), dict(kwargs)
    secret = found.secret_arguments
    names = positional_names(found.target, len(args))
    if names is None:  # whichever of them is the secret
        names = [*secret][:1] * len(args)
    named = [*zip(names, args, strict=True), *kwargs.items()]
    shown = [HIDDEN_VALUE if name in secret else value for name, value in named]
    return tuple(shown[: len(args)]), dict(zip(kwargs, shown[len(args) :], strict=True))


def positional_names(func: str | Callable[..., Any], count: int) -> list[str] | None:
    """Return the names of the parameters to which so many positional arguments belong.

    An argument too many belongs to the last one, as those of ``*args`` do. None where the function
    has not been imported.
    """
    found = imported(func) if isinstance(func, str) else func
    if not callable(found):
        return None
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(found).parameters.values()
    names = [each.name for each in parameters if each.kind not in kinds][:count]
    return names + (names[-1:] or [""]) * (count - len(names))


def decorated(func: Any) -> FunctionWithOptions | None:
    """Return the function with options that a callable, or a path, stands for; None for others.

    Below other decorators, too, which leave it in ``__wrapped__``.
    """
    found = imported(func) if isinstance(func, str) else func
    for _ in range(100):  # an object may say that it wraps itself
        found = getattr(found, "__func__", found)  # of a static method
        if isinstance(found, FunctionWithOptions) or found is None:
            return found
        found = inspect.getattr_static(found, "__wrapped__", None)
    return None


def imported(path: str) -> Any:
    """Find an object by its dotted path in the modules that are imported; None if it is in none."""
    module, names = path, list[str]()
    while module and module not in sys.modules:
        module, _, name = module.rpartition(".")
        names.insert(0, name)
    found: Any = sys.modules.get(module)
    for name in names:
        # Statically: the module's or the class's own way to make attributes might import.
        found = inspect.getattr_static(found, name, None)
    return found
