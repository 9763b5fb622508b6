"""Values as people read them, in bounded time and size, whatever the values are.

``repr`` writes what is shared as often as it is referred to: a list of two references to a list of
two references, and so on, takes hours to write at a depth of fifty. So a value is cut to a tree of
a few thousand nodes first. An object of some class is only asked for its own ``repr`` where what it
holds is small, written out; whatever that raises, its class is named instead.
"""

from __future__ import annotations

import decimal
import gc
from pprint import pformat
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

#: Characters that are shown unless told otherwise; nodes of a value, and how deep they are.
MAX_REPR_CHARACTERS, MAX_REPR_NODES, MAX_REPR_DEPTH = 50_000, 2_000, 15
#: Objects that an object may hold, written out, to be asked for its ``repr``, and how deep; a text
#: counts for one in so many characters.
MAX_HELD_OBJECTS, MAX_HELD_DEPTH, CHARACTERS_PER_OBJECT = 20_000, 60, 64
#: Stands for what is left out.
ELLIPSIS_MARK = "…"
#: Numbers above are not written out: that takes the square of their length, or is refused.
MAX_WRITTEN_INTEGER = 10**300
CONTAINER_BRACKETS = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("{", "}")}
#: What is not looked into: its ``repr`` does not either.
OPAQUE_TYPES = (type, ModuleType, FunctionType, CodeType, FrameType, TracebackType)


def set_repr(kind: type, items: str) -> str:
    """Write a set of what is written already."""
    if not items:
        return f"{kind.__name__}()"
    return f"{{{items}}}" if kind is set else f"{kind.__name__}({{{items}}})"


def represent(value: Any, length: int = MAX_REPR_CHARACTERS) -> str:
    """Write a value in one line, cut to a number of characters. Never raises."""
    return write_safely(lambda: repr(ReprTrimmer(length).trim(value)), value, length)


def represent_lines(value: Any, length: int = MAX_REPR_CHARACTERS) -> str:
    """Write a value over lines, a text as it is. Never raises."""
    if issubclass(type(value), str):
        return cut_end(str.__str__(value), length)  # a plain one, which nobody takes for safe HTML
    trimmed = ReprTrimmer(length)

    def write() -> str:
        return pformat(trimmed.trim(value), width=100, compact=True, sort_dicts=False)

    return write_safely(write, value, length)


def write_safely(write: Any, value: Any, length: int) -> str:
    """Call what writes a value; whatever comes of that is a text that can be sent and stored."""
    try:
        return cut_end(write(), length)
    except Exception:  # of a class that lies about what it is
        return cut_end(class_text(value), length)


def cut_end(text: str, length: int) -> str:
    """Shorten a text, and write halves of characters, which nobody takes, as Python does."""
    text = text if len(text) <= length else text[:length] + ELLIPSIS_MARK
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def class_text(value: Any) -> str:
    """Name the class of a value in place of the value."""
    kind = type(value)
    return f"<{type.__getattribute__(kind, '__module__')}.{kind.__qualname__}>"


class LiteralRepr:
    """Stands for a value, and is written as told."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class ReprTrimmer:
    """Makes a small copy of a value, to be written out."""

    def __init__(self, length: int) -> None:
        self.characters = length  # that are left
        self.nodes = MAX_REPR_NODES  # that are left
        self.open_containers: list[int] = []  # ids of the containers around

    def trim(self, value: Any, depth: int = 0) -> Any:
        """Copy a value as far as there is room."""
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
        if type(value) in (set, frozenset):  # another set would have its items in another order
            return LiteralRepr(set_repr(type(value), ", ".join(map(repr, items))))
        return type(value)(items)

    def key(self, key: Any, depth: int) -> str:
        """Write a key of a dictionary."""
        return cut_end(repr(self.trim(key, depth + 1)), self.characters + 1)

    def is_full(self) -> bool:
        """Whether there is room for nothing more."""
        return self.nodes <= 0 or self.characters <= 0

    def leaf(self, value: Any) -> str:
        """Write what is no container."""
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
    """Ask an object for its ``repr``, if what it holds is small; name its class otherwise."""
    try:
        if type(value).__repr__ is not object.__repr__ and is_too_large(value):
            return f"{class_text(value)[:-1]}, too large to be shown>"
        text = repr(value)
        return text if type(text) is str else str.__str__(text)
    except BaseException as error:  # whatever the class of the value does
        if getattr(error, "ends_task", False):  # the time limit of the task that runs
            raise
        return class_text(value)


def repr_error(value: Any) -> BaseException | None:
    """Give what a value raises that is asked for its ``repr``; None where it has one."""
    try:
        if not is_too_large(value):
            repr(value)
    except BaseException as error:  # whatever the class of the value does
        return error
    return None


def is_too_large(value: Any) -> bool:
    """Whether a value, written out, would be large: what is shared counts as often as it is met."""
    try:
        return ObjectCounter().count(value) > MAX_HELD_OBJECTS
    except Exception:  # a class that answers in its own way
        return True


class ObjectCounter:
    """Weighs values: each object is looked at once, and counted as often as it would be written."""

    def __init__(self) -> None:
        self.counts: dict[int, float] = {}
        self.references: list[Any] = []  # so that no id is used again meanwhile

    def count(self, value: Any, depth: int = 0) -> float:
        """Count the objects in a value; one that holds itself ends there, as ``repr`` sees to."""
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
        for part in gc.get_referents(value):  # whatever it is made of, in C or in Python
            weight += self.count(part, depth + 1)
            if weight > MAX_HELD_OBJECTS:
                break
        self.counts[id(value)] = weight
        return weight
