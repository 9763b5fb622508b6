"""Values that are not shown: dots for those of keys that ``Q_CLUSTER["hide"]`` or a task names.

A text stands for all arguments and results on the pages of users who may not see them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _

from django_q.foreign_code.secret_arguments import (
    HIDDEN_VALUE,
    secret_arguments_of,
    with_hidden_arguments,
)
from django_q.task_logs.hidden_names import (
    MAX_HIDDEN_DEPTH,
    hidden_keys,
    is_hidden,
    parameter_names,
)

#: Stands for a value that is not shown.
DOTS = HIDDEN_VALUE
#: Stands for all values of a task, for users who may not see them.
HIDDEN_NOTE = _(
    "Arguments, results and logs are hidden. "
    "The permission “Can see arguments, results and logs of tasks” shows them."
)


def with_dots(value: Any, keys: frozenset[str] | None = None) -> Any:
    """Copy plain containers, with dots in place of the values of hidden keys.

    Each is copied once, however often it is referred to: two references to a list of two
    references, and so on, would take for ever.
    """
    return DottedCopy(hidden_keys() if keys is None else keys).copy(value)


class DottedCopy:
    """Copies containers, those that are deep down as one mark."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys
        #: Copies by the ids of their originals, which live as long as the value that is copied.
        self.copies: dict[tuple[int, int], Any] = {}

    def copy(self, value: Any, depth: int = 0) -> Any:
        """Copy a value."""
        kind = type(value)
        if kind not in (dict, list, tuple):
            return value
        if depth > MAX_HIDDEN_DEPTH:
            return DOTS if value else value
        place = (id(value), depth)
        if place not in self.copies:
            self.copies[place] = self.container(kind, value, depth + 1)
        return self.copies[place]

    def container(self, kind: type, value: Any, depth: int) -> Any:
        """Copy a container and what is in it."""
        if kind is dict:
            return {
                key: DOTS if is_hidden(key, self.keys) else self.copy(each, depth)
                for key, each in value.items()
            }
        return kind(self.copy(each, depth) for each in value)


def positional_with_dots(func: Any, args: Any, secret: Iterable[str] = ()) -> Any:
    """Copy positional arguments, with dots for parameters that are hidden.

    They are hidden by their name, by ``@task(secret=...)``, or as ``secret`` names them. ``func``
    is the function or its dotted path. Where the function can not be imported here, nobody knows
    the names of its parameters.
    """
    names = parameter_names(func)  # imports it, so that its secrets are known
    keys = hidden_keys(secret)
    if type(args) not in (list, tuple):
        return with_dots(args, keys)
    shown = [with_dots(each, keys) for each in with_hidden_arguments(func, args, {})[0]]
    for index, name in enumerate(names[: len(shown)]):
        if is_hidden(name, keys):
            shown[index] = DOTS
    return type(args)(shown)


def keywords_with_dots(func: Any, kwargs: Any) -> Any:
    """Copy keyword arguments, with dots for those that are hidden; see above."""
    parameter_names(func)
    return with_dots(kwargs, hidden_keys(secret_arguments_of(func)))
