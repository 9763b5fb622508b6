"""Values as people read them: in bounded time and size, whatever they are."""

from __future__ import annotations

import time
from collections import ChainMap, OrderedDict, UserList, defaultdict, deque, namedtuple
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from django_q.execution.execution import failure_text
from django_q.text.error_text import error_summary, safe_repr
from django_q.text.representation import MAX_REPR_DEPTH, represent, represent_lines

Pair = namedtuple("Pair", "a b")


@dataclass
class Data:
    a: Any
    b: Any


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b

    def __repr__(self) -> str:
        return f"Slots({self.a!r}, {self.b!r})"


#: Ways to hold two things.
HOLDERS = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {1: a, 2: b},
    "dataclass": Data,
    "slots": Slots,
    "named tuple": Pair,
    "deque": lambda a, b: deque([a, b]),
    "namespace": lambda a, b: SimpleNamespace(a=a, b=b),
    "exception": ValueError,
    "ordered": lambda a, b: OrderedDict(a=a, b=b),
    "default": lambda a, b: defaultdict(list, {1: a, 2: b}),
    "view": lambda a, b: {1: a, 2: b}.values(),
    "partial": lambda a, b: partial(print, a, b),
    "user list": lambda a, b: UserList([a, b]),
    "chain map": lambda a, b: ChainMap({1: a, 2: b}),
    "proxy": lambda a, b: MappingProxyType({1: a, 2: b}),
    "slice": slice,
    "method": lambda a, b: Slots(a, b).__init__,
    "alias": lambda a, b: list[a, b],
}


def shared(holder: Any, depth: int = 60) -> Any:
    """Make a small value that is large when it is written out."""
    value = holder(1, 2)
    for _ in range(depth):
        value = holder(value, value)
    return value


@pytest.mark.parametrize("kind", HOLDERS)
@pytest.mark.parametrize("write", [represent, represent_lines, safe_repr])
def test_a_value_that_shares_structure_is_shown_at_once(kind, write):
    began = time.monotonic()

    text = write(shared(HOLDERS[kind]))

    assert time.monotonic() - began < 20
    assert 0 < len(text) < 100_000


def test_an_error_that_holds_such_a_value_is_told_at_once():
    error = ValueError(shared(lambda a, b: (a, b)))

    assert error_summary(error) == "ValueError: it is too large to be shown"
    assert failure_text(error).startswith("ValueError: it is too large to be shown")


def test_a_value_that_is_nested_deeply_is_cut():
    value: list = []
    for _ in range(100_000):
        value = [value]

    assert represent(value) == "[" * MAX_REPR_DEPTH + "[…]" + "]" * MAX_REPR_DEPTH
    assert len(represent_lines(value)) < 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**5000, "<int of 16610 bits>"),
        (-(10**5000), "<int of 16610 bits>"),
        ([10**5000], "[<int of 16610 bits>]"),
        (10**200, "1" + "0" * 200),
        ({"a": [1, (2,), {3}, frozenset(), None, 1.5, b"x", "y"]},
         "{'a': [1, (2,), {3}, frozenset(), None, 1.5, b'x', 'y']}"),
        ({(1, 2): {"b": 1, "a": 2}}, "{(1, 2): {'b': 1, 'a': 2}}"),
    ],
    ids=["large", "negative", "in a list", "long", "containers", "keys"],
)  # fmt: skip
def test_other_values_are_written_as_in_python(value, text):
    assert represent(value) == text
    assert represent_lines(value) == text


def test_what_is_long_is_cut():
    assert len(represent("x" * 10**7)) <= 50_001
    assert len(represent_lines(b"x" * 10**7)) <= 50_001
    assert len(represent_lines([str(n) * 100 for n in range(10**5)])) < 100_000
    assert represent(list(range(10**5)), 20).endswith("…")
    assert represent({n: n for n in range(10**5)}, 20).endswith("…")


def test_a_value_that_holds_itself_is_written():
    value: list = [1]
    value.append(value)

    assert represent(value) == "[1, […]]"


class Raises:
    def __repr__(self) -> str:
        raise SystemExit("no")


class NoText:
    def __repr__(self) -> str:
        return 5  # type: ignore


class Liar(str):
    def __len__(self) -> int:
        return 1 // 0

    __str__ = __repr__ = __len__  # type: ignore


class Hidden:
    def __getattribute__(self, name: str) -> Any:
        return 1 // 0

    __hash__ = None  # type: ignore

    def __repr__(self) -> str:
        return "x" * 10**6


ODD = {"raises": Raises(), "no text": NoText(), "liar": Liar("x"), "hidden": Hidden(),
       "class": Raises, "half a character": "\udc80"}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_a_value_of_any_class_is_named(kind):
    value = ODD[kind]
    for write in (represent, represent_lines):
        for each in (value, [value], {1: (value,)}):
            text = write(each)
            assert 0 < len(text) < 60_000
            assert text.encode()
