"""What pickled data says, without running it: nothing is imported and nothing is called.

For lists, where a row must neither cost what its arguments weigh nor run code of its classes.
"""

from __future__ import annotations

import io
import pickle
from base64 import b64decode
from typing import Any

from django_q.models.stored_values import JSON_MARK, from_json
from django_q.text.representation import represent

#: Characters of stored data above which a preview is not worth reading it.
MAX_PREVIEW_LENGTH = 65_536


class ObjectStub:
    """Stands for an object, and remembers what it would be made from."""

    def __new__(cls, *args: Any, **kwargs: Any) -> ObjectStub:
        """Keep the arguments."""
        made = super().__new__(cls)
        made.__dict__["arguments"] = args
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def __call__(self, *args: Any, **kwargs: Any) -> ObjectStub:
        """Stand for what the call would return."""
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
    """Reads containers, texts and numbers; anything else becomes ``ObjectStub``."""

    def find_class(self, module: str, name: str) -> type:
        """Make a class that bears the name and does nothing."""
        return type(name.rpartition(".")[2], (ObjectStub,), {"__module__": module})


def read(data: bytes) -> Any:
    """Read what can be read of a pickle; None where that is nothing."""
    try:
        return PreviewUnpickler(io.BytesIO(data)).load()
    except Exception:  # there is no end to what a broken pickle can raise
        return None


def read_column(text: str | None) -> Any:
    """Read what a column of any value holds."""
    if text and text.startswith(JSON_MARK):
        return from_json(text)
    try:
        return read(b64decode(text or ""))
    except ValueError:
        return None


def function_name(value: Any) -> str:
    """Name a function, be it given by its dotted path or pickled by reference."""
    if isinstance(value, type) and issubclass(value, ObjectStub):
        return f"{value.__module__}.{value.__name__}"
    return value if isinstance(value, str) else "" if value is None else represent(value, 200)
