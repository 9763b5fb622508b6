"""Represent any value as text in bounded time and size.

``repr`` writes a shared object as often as it is referred to: a list of two references to a list of
two references, and so on, takes hours at a depth of fifty. So a value is trimmed to a tree of a few
thousand nodes first. The ``repr`` of an object of another class is called only if all that it holds
is small when written out; if it raises, its class is named instead.
"""

from __future__ import annotations

import decimal
import gc
from pprint import pformat
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

#: Characters that are shown by default; nodes of a value at most, and how deep they are.
MAX_REPR_CHARACTERS, MAX_REPR_NODES, MAX_REPR_DEPTH = 50_000, 2_000, 15
#: The most objects that an object may hold for its ``repr`` to be called, and how deep. A text
#: counts as one object for so many characters.
MAX_HELD_OBJECTS, MAX_HELD_DEPTH, CHARACTERS_PER_OBJECT = 20_000, 60, 64
#: Marks what was left out.
ELLIPSIS_MARK = "…"
#: Larger numbers are not written out: it takes the square of their length, or Python refuses.
MAX_WRITTEN_INTEGER = 10**300
CONTAINER_BRACKETS = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("{", "}")}
#: Types whose ``repr`` does not write what they hold.
OPAQUE_TYPES = (type, ModuleType, FunctionType, CodeType, FrameType, TracebackType)


def set_repr(kind: type, items: str) -> str:
    """Write a set whose items are written already."""
    if not items:
        return f"{kind.__name__}()"
    return f"{{{items}}}" if kind is set else f"{kind.__name__}({{{items}}})"


def represent(value: Any, length: int = MAX_REPR_CHARACTERS) -> str:
    """Write a value in one line, cut to a number of characters. Never raises."""
    return write_safely(lambda: repr(ReprTrimmer(length).trim(value)), value, length)


def represent_lines(value: Any, length: int = MAX_REPR_CHARACTERS) -> str:
    """Write a value over several lines, a text as it is. Never raises."""
    if issubclass(type(value), str):
        return cut_end(str.__str__(value), length)  # a plain str: a subclass may count as safe HTML
    trimmed = ReprTrimmer(length)

    def write() -> str:
        return pformat(trimmed.trim(value), width=100, compact=True, sort_dicts=False)

    return write_safely(write, value, length)


def write_safely(write: Any, value: Any, length: int) -> str:
    """Call ``write``, and return text that can be encoded; name the class where it raises."""
    try:
        return cut_end(write(), length)
    except Exception:  # raised by a class that pretends to be another one
        return cut_end(class_text(value), length)


def cut_end(text: str, length: int) -> str:
    """Shorten a text, and escape lone surrogates, which can not be encoded."""
    text = text if len(text) <= length else text[:length] + ELLIPSIS_MARK
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def class_text(value: Any) -> str:
    """Write the class of a value in place of the value."""
    kind = type(value)
    return f"<{type.__getattribute__(kind, '__module__')}.{kind.__qualname__}>"


class LiteralRepr:
    """An object with a given ``repr``, in place of a value."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class ReprTrimmer:
    """Makes a copy of a value that is small enough to be written."""

    def __init__(self, length: int) -> None:
        self.characters = length  # still to be written
        self.nodes = MAX_REPR_NODES  # still to be copied
        self.open_containers: list[int] = []  # ids of the containers that are being copied

    def trim(self, value: Any, depth: int = 0) -> Any:
        """Copy a value, as far as the limits allow."""
        self.nodes -= 1
        if type(value) in CONTAINER_BRACKETS or type(value) is dict:
            return self.container(value, depth)
        written = LiteralRepr(self.leaf(value))
        self.characters -= len(written.text)
        return written

    def container(self, value: Any, depth: int) -> Any:
        """Copy a container, with a mark where something was left out."""
        if id(value) in self.open_containers or depth >= MAX_REPR_DEPTH or self.is_full():
            opening, closing = CONTAINER_BRACKETS.get(type(value), ("{", "}"))
            return LiteralRepr(f"{opening}{ELLIPSIS_MARK if value else ''}{closing}")
        self.open_containers.append(id(value))
        items: list[Any] = []
        for item in value.items() if type(value) is dict else value:
            if self.is_full():
                items.append(
                    (LiteralRepr(ELLIPSIS_MARK), LiteralRepr(ELLIPSIS_MARK))
                    if type(value) is dict
                    else LiteralRepr(ELLIPSIS_MARK)
                )
                break
            if type(value) is dict:
                items.append((LiteralRepr(self.key(item[0], depth)), self.trim(item[1], depth + 1)))
            else:
                items.append(self.trim(item, depth + 1))
        self.open_containers.pop()
        if type(value) in (set, frozenset):  # a copied set would have another order
            return LiteralRepr(set_repr(type(value), ", ".join(map(repr, items))))
        return type(value)(items)

    def key(self, key: Any, depth: int) -> str:
        """Write the key of a dictionary."""
        return cut_end(repr(self.trim(key, depth + 1)), self.characters + 1)

    def is_full(self) -> bool:
        """Return True if a limit is reached."""
        return self.nodes <= 0 or self.characters <= 0

    def leaf(self, value: Any) -> str:
        """Write a value that is no container, cut to the characters that are left."""
        room = max(self.characters, 1)
        if type(value) in (str, bytes, bytearray):
            return repr(value[:room]) + (ELLIPSIS_MARK if len(value) > room else "")
        if type(value) is int:
            is_small = -MAX_WRITTEN_INTEGER < value < MAX_WRITTEN_INTEGER
            return repr(value) if is_small else f"<int of {value.bit_length()} bits>"
        if type(value) is decimal.Decimal and len(value.as_tuple().digits) > room:
            return f"<Decimal of {len(value.as_tuple().digits)} digits>"
        return cut_end(own_repr(value), room)


def own_repr(value: Any) -> str:
    """Call the ``repr`` of an object if what it holds is small; name its class otherwise."""
    try:
        if type(value).__repr__ is not object.__repr__ and is_too_large(value):
            return f"{class_text(value)[:-1]}, too large to be shown>"
        text = repr(value)
        return text if type(text) is str else str.__str__(text)
    except BaseException as error:  # the class of the value may raise anything
        if getattr(error, "ends_task", False):  # the time limit of the task that runs
            raise
        return class_text(value)


def repr_error(value: Any) -> BaseException | None:
    """Return what the ``repr`` of a value raises; None where it succeeds."""
    try:
        if not is_too_large(value):
            repr(value)
    except BaseException as error:  # the class of the value may raise anything
        return error
    return None


def is_too_large(value: Any) -> bool:
    """Return True if a value is large when written out: shared objects count repeatedly."""
    try:
        return ObjectCounter().count(value) > MAX_HELD_OBJECTS
    except Exception:  # raised by a class of the project
        return True


class ObjectCounter:
    """Counts objects as often as ``repr`` would write them, but visits each one once."""

    def __init__(self) -> None:
        self.counts: dict[int, float] = {}
        self.references: list[Any] = []  # kept alive, so that no id is used again

    def count(self, value: Any, depth: int = 0) -> float:
        """Count the objects in a value; one that contains itself counts once, as in ``repr``."""
        kind = type(value)
        for base in (str, bytes, bytearray):
            if issubclass(kind, base):
                return 1 + base.__len__(value) / CHARACTERS_PER_OBJECT
        if issubclass(kind, OPAQUE_TYPES):
            return 1
        if id(value) in self.counts:
            return self.counts[id(value)]
        if depth > MAX_HELD_DEPTH or len(self.references) > MAX_HELD_OBJECTS:
            return MAX_HELD_OBJECTS + 1
        self.counts[id(value)] = 1
        self.references.append(value)
        weight = 1.0
        for part in gc.get_referents(value):  # works for classes in C and in Python
            weight += self.count(part, depth + 1)
            if weight > MAX_HELD_OBJECTS:
                break
        self.counts[id(value)] = weight
        return weight
