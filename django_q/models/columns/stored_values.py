"""How arguments and results are stored: as pickles, or as JSON if that is the serializer."""

from __future__ import annotations

import json
from typing import Any

from picklefield import PickledObjectField

from django_q.conf import Conf
from django_q.signing import check_keys
from django_q.text.error_text import safe_repr

#: The first characters of a column that holds JSON. The field of the predecessors decodes base64
#: up to the padding "==", and so never reads the text that follows, which may be anybody's, as a
#: pickle.
JSON_MARK = "json/1=="
#: The first characters of a pickle in base64, since protocol 2.
PICKLE_PREFIX = "gA"
encode_json = json.JSONEncoder(separators=(",", ":")).encode


class UnopenedPickle(str):
    """A placeholder for a pickle that is not unpickled. Saving it stores the same pickle."""

    column: str

    def __new__(cls, column: str) -> UnopenedPickle:
        """Make a text that explains why there is no value, with the content of the column."""
        text = "This value is stored as a pickle, and Q_CLUSTER['serializer'] = 'json' opens none."
        made = super().__new__(cls, text)
        made.column = column
        return made


def as_json(value: Any) -> str:
    """Write a value as JSON behind the mark; its ``repr`` where JSON can not represent it."""
    try:
        check_keys(value)
        return JSON_MARK + encode_json(value)
    except (TypeError, ValueError, RecursionError):
        return JSON_MARK + encode_json(safe_repr(value))


def from_json(column: str) -> Any:
    """Read the JSON behind the mark; return the column itself where that is no JSON."""
    try:
        return json.loads(column[len(JSON_MARK) :])
    except (ValueError, RecursionError, MemoryError):
        return column


class ValueField(PickledObjectField):
    """A field for any value. Reads pickles and JSON; only JSON where that is the serializer."""

    def deconstruct(self) -> Any:
        """Appear as the base class in migrations, because the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "picklefield.fields.PickledObjectField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Read a column of the database."""
        if value is None or value.startswith(JSON_MARK) or Conf.SERIALIZER != "json":
            return self.to_python(value)
        return UnopenedPickle(value)

    def to_python(self, value: Any) -> Any:
        """Read the content of a column, or the value of a fixture."""
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
        """Return any value unchanged: a text that looks like the content of a column is a text."""
        return value

    def get_db_prep_value(self, value: Any, connection: Any = None, prepared: bool = False) -> Any:
        """Return the content of the column for a value."""
        if isinstance(value, UnopenedPickle):
            return value.column
        if value is None or Conf.SERIALIZER != "json":
            return super().get_db_prep_value(value, connection, prepared)
        return as_json(value)
