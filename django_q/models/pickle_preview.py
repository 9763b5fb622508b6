"""Read pickled data for a preview: nothing is imported and nothing is called.

For lists in the admin: showing a row must not run code of its arguments' classes, and must not
take the time and memory that unpickling its arguments takes.
"""

from __future__ import annotations

import io
import json
import pickle
from base64 import b64decode
from datetime import datetime, timedelta, timezone
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_default_timezone

from django_q.models.columns.stored_values import JSON_MARK, from_json
from django_q.signing import as_bytes, unsigned
from django_q.text.representation import represent

#: Characters of stored data above which it is not read for a preview.
MAX_PREVIEW_LENGTH = 65_536


class ObjectStub:
    """A placeholder for an object, with the arguments that it would be made from."""

    def __new__(cls, *args: Any, **kwargs: Any) -> ObjectStub:
        """Make a placeholder that keeps the arguments."""
        made = super().__new__(cls)
        made.__dict__["arguments"] = args
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> ObjectStub:
        """Make a placeholder for what the call would return."""
        return type(self)(*args, **kwargs)

    def __setstate__(self, state: Any) -> None:
        """Do nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing."""

    def append(self, item: Any) -> None:
        """Do nothing."""

    extend = add = append

    def __repr__(self) -> str:
        arguments = ", ".join(map(repr, self.__dict__["arguments"]))
        return f"{type(self).__name__}({arguments})"


class PreviewUnpickler(pickle.Unpickler):
    """Reads containers, texts and numbers; any other object becomes an ``ObjectStub``."""

    def find_class(self, module: str, name: str) -> type:
        """Make a subclass of ``ObjectStub`` with the name of the class."""
        return type(name.rpartition(".")[2], (ObjectStub,), {"__module__": module})


def read(data: bytes) -> Any:
    """Read a pickle for a preview; None where it can not be read."""
    try:
        return PreviewUnpickler(io.BytesIO(data)).load()
    except Exception:  # a broken pickle can raise anything
        return None


def read_payload(payload: str | bytes | None) -> dict[str, Any]:
    """Read the package of a payload for a preview, once its signature is verified.

    ``{"id": "*ErrorName"}`` when it can not be read.
    """
    try:
        data = unsigned(as_bytes(payload or ""))
        package = json.loads(data) if data.startswith(b"{") else read(data)
    except Exception as error:  # a queue may hold anything
        return {"id": f"*{type(error).__name__}"}
    return package if isinstance(package, dict) else {"id": "*PackageError"}


def time_of(value: Any) -> datetime | None:
    """Return the time in a preview, such as when a task was enqueued; None where it is none.

    It is in UTC. Of zones that are objects of other classes nothing is known: packages of the
    predecessors have those of UTC.
    """
    try:
        if isinstance(value, str):
            moment = parse_datetime(value)
        else:
            state, *zone = value.arguments
            moment = datetime(state, *map(zone_of, zone))
        if moment and moment.tzinfo is None:
            moment = moment.replace(tzinfo=get_default_timezone())
        return moment and moment.astimezone(timezone.utc)
    except Exception:  # it may be anything
        return None


def zone_of(value: ObjectStub) -> timezone:
    """Return a zone with a fixed offset; UTC in place of any other."""
    if type(value).__name__ != "timezone":
        return timezone.utc
    return timezone(timedelta(*value.arguments[0].arguments))


def read_column(text: str | None) -> Any:
    """Read a column of a ``ValueField`` for a preview; None where it can not be read."""
    if text and text.startswith(JSON_MARK):
        return from_json(text)
    try:
        return read(b64decode(text or ""))
    except ValueError:
        return None


def function_name(value: Any) -> str:
    """Return the path of a function in a preview: it is text, or was pickled by reference."""
    if isinstance(value, type) and issubclass(value, ObjectStub):
        return f"{value.__module__}.{value.__name__}"
    return value if isinstance(value, str) else "" if value is None else represent(value, 200)
