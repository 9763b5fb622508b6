"""Names whose values nobody is to see, and the values that a task has of such names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from inspect import Parameter, signature
from itertools import zip_longest
from typing import Any

from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.foreign_code.secret_arguments import (
    HIDDEN_VALUE,
    secret_arguments_of,
    with_hidden_arguments,
)
from django_q.wire.allowed_functions import permitted

#: Parts of names whose values are hidden in any case.
SECRET_PARTS = ("password", "passwd", "secret", "token", "api_key", "apikey", "credential")
#: How deep keys are looked for.
MAX_HIDDEN_DEPTH = 15
#: A shorter value is not looked for in a text: it would be found in many words.
MIN_SECRET_LENGTH = 4
#: Values that are looked for in a text at most, and values of a call that are looked at.
MAX_SECRETS, MAX_VALUES = 100, 10_000
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def hidden_keys(secret: Iterable[str] = ()) -> frozenset[str]:
    """Return the names that the settings and a task hide, in lower case."""
    named = Conf.HIDE if isinstance(Conf.HIDE, (list, tuple, set, frozenset)) else ()
    return frozenset(str(name).lower() for name in (*named, *secret))


def is_hidden(key: Any, keys: frozenset[str]) -> bool:
    """Return True if the value of a key is not shown."""
    if type(key) is not str:
        return False
    name = key.lower()
    return name in keys or any(part in name for part in SECRET_PARTS)


def parameter_names(func: Any) -> list[str]:
    """Name the positional parameters of a function; none where it can not be imported."""
    if not isinstance(func, str) and not callable(func):  # a package may have anything in its place
        return []
    try:
        parameters = signature(permitted(func, "A function")).parameters.values()
    except BaseException as error:  # a module may raise anything while it is imported
        contain_error(error)
        return []
    return [each.name for each in parameters if each.kind in POSITIONAL]


def secret_values(package: Mapping[str, Any]) -> list[str]:
    """List the values of a call that are hidden, as texts, the longest first."""
    func, args, kwargs = package["func"], package["args"], package["kwargs"]
    finder = SecretFinder(hidden_keys(secret_arguments_of(func)))
    names = parameter_names(func) if args else []  # which takes a while
    shown = with_hidden_arguments(func, args, {})[0]
    for value, shown_value, name in zip_longest(args, shown, names[: len(args)]):
        finder.look(value, shown_value is HIDDEN_VALUE or is_hidden(name, finder.keys))
    finder.look(dict(kwargs), False)
    return sorted(finder.found, key=len, reverse=True)[:MAX_SECRETS]


class SecretFinder:
    """Collects the values of hidden keys in plain containers."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys, self.left = keys, MAX_VALUES
        self.found: set[str] = set()

    def look(self, value: Any, is_secret: bool, depth: int = 0) -> None:
        """Look at a value, and at what is in it."""
        self.left -= 1
        if self.left < 0 or depth > MAX_HIDDEN_DEPTH:
            return
        kind = type(value)
        if kind is dict:
            for key, each in value.items():
                self.look(each, is_secret or is_hidden(key, self.keys), depth + 1)
        elif kind in (list, tuple, set, frozenset):
            for each in value:
                self.look(each, is_secret, depth + 1)
        elif is_secret:
            self.found.update(text for text in texts_of(value) if len(text) >= MIN_SECRET_LENGTH)


def texts_of(value: Any) -> Iterator[str]:
    """Yield how a plain value is written: by itself, and in the ``repr`` of what it is in."""
    kind = type(value)
    if kind is bytes:
        value = value.decode(errors="ignore")
    elif kind in (int, float):
        value = str(value)
    elif kind is not str:
        return
    yield value
    yield repr(value)[1:-1]


def hide_values(text: str, values: Iterable[str]) -> str:
    """Put dots in the place of values in a text."""
    for value in values:
        if value in text:
            text = text.replace(value, str(HIDDEN_VALUE))
    return text
