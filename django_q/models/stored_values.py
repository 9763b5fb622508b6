"""How arguments and results are stored: as pickles, or as JSON for those who want no pickle."""

from __future__ import annotations

import json
from typing import Any

from picklefield import PickledObjectField

from django_q.conf import Conf
from django_q.exceptions import safe_repr
from django_q.signing import check_keys

#: How a column begins that holds JSON. To the predecessors' field it is base64 that ends with the
#: padding: what follows may be text of anybody, and must never be read as a pickle.
JSON_MARK = "json/1=="
#: How base64 of a pickle begins, since protocol 2.
PICKLE_PREFIX = "gA"
encode_json = json.JSONEncoder(separators=(",", ":")).encode


class UnopenedPickle(str):
    """Stands for a pickle that was not opened. To save it stores the pickle again."""

    column: str

    def __new__(cls, column: str) -> UnopenedPickle:
        """Say what it is, and keep what the column holds."""
        text = "This value is stored as a pickle, and Q_CLUSTER['serializer'] = 'json' opens none."
        made = super().__new__(cls, text)
        made.column = column
        return made


def as_json(value: Any) -> str:
    """Write a value as JSON, marked as such; as its ``repr`` where JSON can not carry it."""
    try:
        check_keys(value)
        return JSON_MARK + encode_json(value)
    except (TypeError, ValueError, RecursionError):
        return JSON_MARK + encode_json(safe_repr(value))


def from_json(column: str) -> Any:
    """Read what is behind the mark; the column as it is where that can not be read."""
    try:
        return json.loads(column[len(JSON_MARK) :])
    except (ValueError, RecursionError, MemoryError):
        return column


class ValueField(PickledObjectField):
    """Any value. Reads pickles and JSON, but only JSON where that is the serializer."""

    def deconstruct(self) -> Any:
        """Go by the name of the base in migrations: the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "picklefield.fields.PickledObjectField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Read a column."""
        if value is None or value.startswith(JSON_MARK) or Conf.SERIALIZER != "json":
            return self.to_python(value)
        return UnopenedPickle(value)

    def to_python(self, value: Any) -> Any:
        """Read a column, or a value of a fixture."""
        if isinstance(value, str) and value.startswith(JSON_MARK):
            return from_json(value)
        if Conf.SERIALIZER != "json":
            return super().to_python(value)
        return (
            UnopenedPickle(value)
            if isinstance(value, str) and value.startswith(PICKLE_PREFIX)
            else value
        )

    def clean(self, value: Any, model_instance: Any) -> Any:
        """Take any value as it is: a text may look like what a column holds, and is a text."""
        return value

    def get_db_prep_value(self, value: Any, connection: Any = None, prepared: bool = False) -> Any:
        """Write a column."""
        if isinstance(value, UnopenedPickle):
            return value.column
        if value is None or Conf.SERIALIZER != "json":
            return super().get_db_prep_value(value, connection, prepared)
        return as_json(value)
