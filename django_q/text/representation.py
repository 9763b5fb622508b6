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
LONGEST, MOST, DEEPEST = 50_000, 2_000, 15
#: Objects that an object may hold, written out, to be asked for its ``repr``, and how deep; a text
#: counts for one in so many characters.
HEAVY, HEAVY_DEPTH, CHARACTERS = 20_000, 60, 64
#: Stands for what is left out.
CUT = "…"
#: Numbers above are not written out: that takes the square of their length, or is refused.
LARGEST = 10**300
CONTAINERS = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("{", "}")}
#: What is not looked into: its ``repr`` does not either.
SMALL = (type, ModuleType, FunctionType, CodeType, FrameType, TracebackType)


def in_braces(kind: type, items: str) -> str:
    """Write a set of what is written already."""
    if not items:
        return f"{kind.__name__}()"
    return f"{{{items}}}" if kind is set else f"{kind.__name__}({{{items}}})"


def represent(value: Any, length: int = LONGEST) -> str:
    """Write a value in one line, cut to a number of characters. Never raises."""
    return shown(lambda: repr(Trimmer(length).trim(value)), value, length)


def lay_out(value: Any, length: int = LONGEST) -> str:
    """Write a value over lines, a text as it is. Never raises."""
    if issubclass(type(value), str):
        return cut(str.__str__(value), length)  # a plain one, which nobody takes for safe HTML
    trimmed = Trimmer(length)

    def write() -> str:
        return pformat(trimmed.trim(value), width=100, compact=True, sort_dicts=False)

    return shown(write, value, length)


def shown(write: Any, value: Any, length: int) -> str:
    """Call what writes a value; whatever comes of that is a text that can be sent and stored."""
    try:
        return cut(write(), length)
    except Exception:  # of a class that lies about what it is
        return cut(class_of(value), length)


def cut(text: str, length: int) -> str:
    """Shorten a text, and write halves of characters, which nobody takes, as Python does."""
    text = text if len(text) <= length else text[:length] + CUT
    return text.encode("utf-8", "backslashreplace").decode() if not text.isascii() else text


def class_of(value: Any) -> str:
    """Name the class of a value in place of the value."""
    kind = type(value)
    return f"<{type.__getattribute__(kind, '__module__')}.{kind.__qualname__}>"


class Written:
    """Stands for a value, and is written as told."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Trimmer:
    """Makes a small copy of a value, to be written out."""

    def __init__(self, length: int) -> None:
        self.characters = length  # that are left
        self.nodes = MOST  # that are left
        self.holders: list[int] = []  # ids of the containers around

    def trim(self, value: Any, depth: int = 0) -> Any:
        """Copy a value as far as there is room."""
        self.nodes -= 1
        if type(value) in CONTAINERS or type(value) is dict:
            return self.container(value, depth)
        written = Written(self.leaf(value))
        self.characters -= len(written.text)
        return written

    def container(self, value: Any, depth: int) -> Any:
        """Copy a container, with a mark where something was left out."""
        if id(value) in self.holders or depth >= DEEPEST or self.is_full():
            opening, closing = CONTAINERS.get(type(value), ("{", "}"))
            return Written(f"{opening}{CUT if value else ''}{closing}")
        self.holders.append(id(value))
        items: list[Any] = []
        for item in value.items() if type(value) is dict else value:
            if self.is_full():
                items.append((Written(CUT), Written(CUT)) if type(value) is dict else Written(CUT))
                break
            if type(value) is dict:
                items.append((Written(self.key(item[0], depth)), self.trim(item[1], depth + 1)))
            else:
                items.append(self.trim(item, depth + 1))
        self.holders.pop()
        if type(value) in (set, frozenset):  # another set would have its items in another order
            return Written(in_braces(type(value), ", ".join(map(repr, items))))
        return type(value)(items)

    def key(self, key: Any, depth: int) -> str:
        """Write a key of a dictionary."""
        return cut(repr(self.trim(key, depth + 1)), self.characters + 1)

    def is_full(self) -> bool:
        """Whether there is room for nothing more."""
        return self.nodes <= 0 or self.characters <= 0

    def leaf(self, value: Any) -> str:
        """Write what is no container."""
        room = max(self.characters, 1)
        if type(value) in (str, bytes, bytearray):
            return repr(value[:room]) + (CUT if len(value) > room else "")
        if type(value) is int:
            is_small = -LARGEST < value < LARGEST
            return repr(value) if is_small else f"<int of {value.bit_length()} bits>"
        if type(value) is decimal.Decimal and len(value.as_tuple().digits) > room:
            return f"<Decimal of {len(value.as_tuple().digits)} digits>"
        return cut(own_repr(value), room)


def own_repr(value: Any) -> str:
    """Ask an object for its ``repr``, if what it holds is small; name its class otherwise."""
    try:
        if type(value).__repr__ is not object.__repr__ and is_heavy(value):
            return f"{class_of(value)[:-1]}, too large to be shown>"
        text = repr(value)
        return text if type(text) is str else str.__str__(text)
    except BaseException as error:  # whatever the class of the value does
        if getattr(error, "ends_task", False):  # the time limit of the task that runs
            raise
        return class_of(value)


def refusal(value: Any) -> BaseException | None:
    """Give what a value raises that is asked for its ``repr``; None where it has one."""
    try:
        if not is_heavy(value):
            repr(value)
    except BaseException as error:  # whatever the class of the value does
        return error
    return None


def is_heavy(value: Any) -> bool:
    """Whether a value, written out, would be large: what is shared counts as often as it is met."""
    try:
        return Scale().weigh(value) > HEAVY
    except Exception:  # a class that answers in its own way
        return True


class Scale:
    """Weighs values: each object is looked at once, and counted as often as it would be written."""

    def __init__(self) -> None:
        self.known: dict[int, float] = {}
        self.kept: list[Any] = []  # so that no id is used again meanwhile

    def weigh(self, value: Any, depth: int = 0) -> float:
        """Count the objects in a value; one that holds itself ends there, as ``repr`` sees to."""
        kind = type(value)
        for base in (str, bytes, bytearray):
            if issubclass(kind, base):
                return 1 + base.__len__(value) / CHARACTERS
        if issubclass(kind, SMALL):
            return 1
        if id(value) in self.known:
            return self.known[id(value)]
        if depth > HEAVY_DEPTH or len(self.kept) > HEAVY:
            return HEAVY + 1
        self.known[id(value)] = 1
        self.kept.append(value)
        weight = 1.0
        for part in gc.get_referents(value):  # whatever it is made of, in C or in Python
            weight += self.weigh(part, depth + 1)
            if weight > HEAVY:
                break
        self.known[id(value)] = weight
        return weight
