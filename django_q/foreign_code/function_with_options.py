"""A function of the project, or its dotted path, with the options that its calls have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from types import MappingProxyType
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from django_q.text.function_names import dotted_name

#: What makes another function of one: it can not be set.
FIXED_ATTRIBUTES = ("target", "path", "options", "secret_arguments")


class FunctionWithOptions:
    """The base of ``TaskFunction``, which floors know that enqueue nothing.

    It looks as the function does: name, docstring, signature, attributes. It does not change;
    attributes of other names can be set, as on a function.
    """

    #: The function, or its dotted path.
    target: str | Callable[..., Any]
    #: The dotted path of the function. This is what travels.
    path: str
    #: Options of its calls, in the form in which they travel.
    options: Mapping[str, Any]
    #: Names of parameters whose values are not to be shown to anybody.
    secret_arguments: frozenset[str]
    __qualname__: str

    def __init__(
        self,
        target: str | Callable[..., Any],
        options: Mapping[str, Any],
        secret_arguments: Iterable[str] = (),
    ) -> None:
        own = vars(self)
        if isinstance(target, str):
            own["__module__"], _, own["__qualname__"] = target.rpartition(".")
            own["__name__"] = own["__qualname__"]
        else:
            update_wrapper(self, target)  # type: ignore[arg-type]
        own["target"], own["path"] = target, dotted_name(target)
        own["options"] = MappingProxyType(dict(options))
        own["secret_arguments"] = frozenset(secret_arguments)
        if not isinstance(target, str) and iscoroutinefunction(target):
            markcoroutinefunction(self)  # type: ignore[type-var]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED_ATTRIBUTES:
            raise AttributeError(f"'{name}' of {self!r} can not be set: using() makes another one.")
        super().__setattr__(name, value)

    def __set_name__(self, owner: type, name: str) -> None:
        # A function that a class only refers to stays one, a method would lose its instance.
        if self.__qualname__ == f"{owner.__qualname__}.{name}":
            raise TypeError(
                f"@task expected a function, got the method '{self.path}'. A worker finds it by "
                "its name, and has no instance: write @staticmethod above @task, or move it out of "
                "the class."
            )

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({self.path}{options})"
