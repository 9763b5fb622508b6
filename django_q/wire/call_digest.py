"""Digest a call: two calls of one function with the same arguments have the same digest.

Only values that have one written form are accepted: a digest of anything else, as of a ``repr``
with an address, would differ for the same call, or be the same for another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.db.models import Model

from django_q.exceptions import PackageError
from django_q.wire.callables import importable_name
from django_q.wire.option_types import shown

#: Hexadecimal digits of a digest.
DIGEST_LENGTH = 32
#: The kinds of keys, which never have a digest in common.
CALL_KEY, UNIQUE_KEY, IDEMPOTENCY_KEY = "call", "unique", "idempotency"


def digest(kind: str, content: str) -> str:
    """Digest a text; those of two kinds differ."""
    data = f"{kind}:{content}".encode("utf-8", "surrogatepass")
    return sha256(data).hexdigest()[:DIGEST_LENGTH]


def call_digest(func: str | Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Digest the name of a function and its arguments, as they are passed.

    Defaults of the function are not looked at, so ``f(1)`` and ``f(x=1)`` are two calls. Raises
    ``PackageError`` that names the argument which has no stable form.
    """
    parts = [written(importable_name(func, "The function of a task with unique=True"))]
    parts += [argument(f"Argument {number}", value) for number, value in enumerate(args, 1)]
    for name in sorted(kwargs):
        parts += [f"={written(name)}", argument(f"Argument '{name}'", kwargs[name])]
    return digest(CALL_KEY, "".join(parts))


def argument(what: str, value: Any) -> str:
    """Write an argument, or raise ``PackageError`` with its name."""
    try:
        return written(value)
    except Exception as error:  # a value's own methods may raise anything
        reason = f": {error}" if isinstance(error, Unstable) else ""
        raise PackageError(
            f"{what} of a task with unique=True must be of a type with one written form, such as "
            f"text, a number, a date, or a list or dictionary of them; got {shown(value)}{reason}. "
            "Pass a primary key, or a text of your own as unique."
        ) from error


class Unstable(TypeError):
    """Raised for a value that has no stable form."""


def written(value: Any) -> str:
    """Write a value: two values have the same text only if they are equal and of one kind.

    Raises ``Unstable`` for values of other classes, and any error of a value's own methods.
    """
    if write := WRITERS_BY_CLASS.get(type(value)):  # most values are of one of the classes itself
        return write(value)
    for kinds, write in WRITERS:
        if isinstance(value, kinds):
            return write(value)
    raise Unstable(f"a {type(value).__name__} has no form that stays the same")


def framed(kind: str, text: str) -> str:
    """Write a text with its length, so that what follows is not taken for a part of it."""
    return f"{kind}{len(text)}:{text}"


def sequence(kind: str, parts: Iterable[str]) -> str:
    """Write the parts of a container."""
    return framed(kind, "".join(parts))


def written_enum(value: Enum) -> str:
    """Write a member of an enumeration by its class and value."""
    kind = type(value)
    return sequence("e", [written(f"{kind.__module__}.{kind.__qualname__}"), written(value.value)])


def written_datetime(value: datetime) -> str:
    """Write a time; one with a time zone as the moment that it is."""
    if value.tzinfo is None:
        return framed("T", value.isoformat())
    return framed("U", value.astimezone(timezone.utc).isoformat())


def written_dict(value: Mapping[Any, Any]) -> str:
    """Write a dictionary, whatever the order of its keys."""
    return sequence("m", sorted(written(key) + written(each) for key, each in value.items()))


def written_model(value: Model) -> str:
    """Write a row by its model and primary key. Raises ``Unstable`` if it has not been saved."""
    if value.pk is None or value._state.adding:
        raise Unstable(f"this {type(value).__name__} has not been saved")
    return sequence("r", [written(value._meta.label_lower), written(value.pk)])


#: Classes of values, subclasses before the classes they derive from, and how each is written.
WRITERS: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((type(None),), lambda value: "n"),
    ((Enum,), written_enum),
    ((bool,), lambda value: "b1" if value else "b0"),
    ((int,), lambda value: framed("i", format(int(value), "x"))),
    ((float,), lambda value: framed("f", float.hex(value))),
    ((str,), lambda value: framed("s", str.__str__(value))),
    ((bytes,), lambda value: framed("y", bytes(value).hex())),
    ((datetime,), written_datetime),
    ((date,), lambda value: framed("d", value.isoformat())),
    ((time,), lambda value: framed("t", f"{value.isoformat()} {value.tzinfo}")),
    ((timedelta,), lambda value: framed("D", f"{value.days} {value.seconds} {value.microseconds}")),
    ((Decimal,), lambda value: framed("c", str(value))),
    ((UUID,), lambda value: framed("u", value.hex)),
    ((PurePath,), lambda value: framed("p", str(value))),
    ((list, tuple), lambda value: sequence("l", map(written, value))),
    ((dict,), written_dict),
    ((set, frozenset), lambda value: sequence("z", sorted(map(written, value)))),
    ((Model,), written_model),
)
WRITERS_BY_CLASS = {kind: write for kinds, write in WRITERS for kind in kinds}
