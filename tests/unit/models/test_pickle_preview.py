"""Looking into pickles without running them."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections import OrderedDict
from datetime import datetime, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_q.models import pickle_preview

CALLED = []


class Loud:
    """Notes when it is made by unpickling."""

    def __reduce__(self) -> tuple:
        return CALLED.append, (1,)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


# Before 3 bytes are made by a call.
@given(plain, st.integers(3, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_they_are(value, protocol):
    assert pickle_preview.read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [Loud(), [Loud()], {"a": Loud()}, Decimal("1.5"), datetime.now(timezone.utc), Exception("x"),
     OrderedDict(a=1), {1, 2}, frozenset({1}), partial(print, 1), print, 1 + 2j, bytearray(b"x")],
)  # fmt: skip
def test_nothing_is_called_or_imported(value, protocol):
    assert pickle_preview.read(pickle.dumps(value, protocol)) is not None
    assert CALLED == []


def test_what_stands_beside_an_object_is_read():
    package = {"id": "a", "func": pytest.raises, "args": (Loud(),), "group": "g"}

    read = pickle_preview.read(pickle.dumps(package))

    assert (read["id"], read["group"]) == ("a", "g")
    assert pickle_preview.function_name(read["func"]).endswith(".raises")
    assert pickle_preview.function_name("shop.tasks.mail") == "shop.tasks.mail"
    assert pickle_preview.function_name(None) == ""


def test_an_exception_is_written_as_it_would_be():
    assert (
        repr(pickle_preview.read(pickle.dumps(ValueError("as asked", 1))))
        == "ValueError('as asked', 1)"
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_not(data):
    pickle_preview.read(data)


@given(st.text(max_size=50) | st.none())
def test_any_column_is_read_or_not(text):
    pickle_preview.read_column(text)


def test_a_column_is_read():
    assert pickle_preview.read_column(b64encode(pickle.dumps("text")).decode()) == "text"


def test_a_truncated_pickle_is_nothing():
    data: Any = pickle.dumps(["text" * 100])

    assert pickle_preview.read(data[:-5]) is None
