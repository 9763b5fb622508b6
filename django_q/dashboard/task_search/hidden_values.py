"""Values that are shown as dots: those of keys that are named like secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_q.conf import Conf
from django_q.text.representation import LiteralRepr

#: Stands for a value that is not shown.
DOTS = LiteralRepr("\N{BULLET}" * 6)
#: Parts of keys whose values are hidden, whatever ``Q_CLUSTER["hide"]`` names.
SECRET_PARTS = ("password", "passwd", "secret", "token", "api_key", "apikey", "credential")
#: How deep keys are looked for.
MAX_HIDDEN_DEPTH = 15


def hidden_keys() -> frozenset[str]:
    """Return the keys that the settings name, in lower case."""
    names: Iterable[Any] = getattr(Conf, "HIDE", None) or ()
    return frozenset(str(name).lower() for name in names)


def with_dots(value: Any, keys: frozenset[str] | None = None, depth: int = 0) -> Any:
    """Copy plain containers, with dots in place of the values of hidden keys."""
    keys = hidden_keys() if keys is None else keys
    if depth > MAX_HIDDEN_DEPTH:
        return value
    if type(value) is dict:
        return {
            key: DOTS if is_hidden(key, keys) else with_dots(each, keys, depth + 1)
            for key, each in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(with_dots(each, keys, depth + 1) for each in value)
    return value


def is_hidden(key: Any, keys: frozenset[str]) -> bool:
    """Return True if the value of a key is not shown."""
    if type(key) is not str:
        return False
    name = key.lower()
    return name in keys or any(part in name for part in SECRET_PARTS)
