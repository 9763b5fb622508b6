"""Texts of stored values, for searches and lists: read from their beginning, never unpickled."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from functools import lru_cache
from typing import Any

from django_q.dashboard.hidden_values import (
    hidden_keys,
    is_hidden,
    keywords_with_dots,
    parameter_names,
    positional_with_dots,
    with_dots,
)
from django_q.foreign_code.secret_arguments import secret_arguments_of
from django_q.models import pickle_preview
from django_q.models.columns.stored_values import JSON_MARK
from django_q.text.representation import represent

#: Characters of a column that hold the beginning of a text, for a list or a search.
MAX_BEGINNING_LENGTH = 2000
#: Characters of columns with arguments up to which they are read for a list or a search.
MAX_SEARCHED_LENGTH = 4096
#: Characters that are shown or searched of the arguments of a call.
MAX_CALL_LENGTH = 1000
#: What a pickle of a text begins with, since protocol 2; group 1 ends where the text begins.
PICKLED_TEXT = re.compile(rb"\x80.(?:\x95.{8})?(?:\x8c.|X.{4}|\x8d.{8})", re.DOTALL)
#: The end of a pickled text: it is put into the memo, and the pickle stops.
PICKLE_END = re.compile(rb"(?:\x94|q.)\.$", re.DOTALL)
#: Characters of the longest escape in JSON.
MAX_ESCAPE_LENGTH = 12


def beginning_of_text(column: str | None) -> str:
    """Read a stored text of which the column may be cut anywhere; empty where it is no text."""
    if not column:
        return ""
    if column.startswith(JSON_MARK):
        return beginning_of_json(column[len(JSON_MARK) :])
    try:
        data = b64decode(column[: len(column) // 4 * 4])
    except ValueError:
        return ""
    match = PICKLED_TEXT.match(data)
    return PICKLE_END.sub(b"", data[match.end() :]).decode(errors="ignore") if match else ""


def beginning_of_json(text: str) -> str:
    """Read a text in JSON whose end may be missing."""
    if not text.startswith('"'):
        return ""
    for end in range(len(text), max(len(text) - MAX_ESCAPE_LENGTH, 0), -1):
        for closed in (text[:end], text[:end] + '"'):
            try:
                return json.loads(closed)
            except ValueError:
                continue
    return ""


def call_text(func: Any, args: Any, kwargs: Any, length: int = MAX_CALL_LENGTH) -> str:
    """Write previews of arguments as they stand in a call: ``2, 'three', four=[5]``.

    Hidden values are dots, so that no search finds out what they are.
    """
    keys = hidden_keys()
    args, kwargs = with_dots(args, keys), with_dots(kwargs, keys)
    if isinstance(func, str) and has_hidden_parameters(func, keys):
        args, kwargs = positional_with_dots(func, args), keywords_with_dots(func, kwargs)
    texts = [represent(each, length) for each in args] if isinstance(args, (list, tuple)) else []
    if isinstance(kwargs, dict):
        texts += [f"{name}={represent(value, length)}" for name, value in kwargs.items()]
    return ", ".join(texts)[:length]


@lru_cache(maxsize=1000)
def has_hidden_parameters(func: str, keys: frozenset[str]) -> bool:
    """Return True if a parameter of a function is hidden; asked for each row."""
    names = parameter_names(func)
    return bool(secret_arguments_of(func)) or any(is_hidden(name, keys) for name in names)


def stored_call_text(func: str, args: str | None, kwargs: str | None) -> str:
    """Write the arguments of two columns as they stand in a call."""
    return call_text(func, pickle_preview.read_column(args), pickle_preview.read_column(kwargs))
