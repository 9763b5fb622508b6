"""Looking into pickles without running them."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_q.models import pickle_preview
from django_q.signing import SignedPackage

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


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_payload_is_read(conf, serializer):
    conf(serializer=serializer)
    payload = SignedPackage.dumps({"id": "a", "args": [1]})

    assert pickle_preview.read_payload(payload) == {"id": "a", "args": [1]}
    assert pickle_preview.read_payload(payload.encode()) == {"id": "a", "args": [1]}


@pytest.mark.parametrize(
    ("payload", "error"),
    [("junk", "*BadSignature"), (None, "*BadSignature"), (5, "*BadSignature"),
     (b"\xff", "*BadSignature"), (["a", "list"], "*PackageError")],
)  # fmt: skip
def test_a_payload_that_can_not_be_read_says_why(payload, error):
    if isinstance(payload, list):
        payload = SignedPackage.dumps(payload)

    assert pickle_preview.read_payload(payload) == {"id": error}


MOMENT = datetime(2026, 5, 1, 12, 30, 0, 250_000, timezone.utc)


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=-3))),
        MOMENT.astimezone(ZoneInfo("UTC")),
    ],
)
def test_a_time_in_a_pickle_is_known(value, protocol):
    read = pickle_preview.read(pickle.dumps(value, protocol))

    assert pickle_preview.time_of(read) == MOMENT


def test_a_time_in_json_is_known():
    assert pickle_preview.time_of(MOMENT.isoformat()) == MOMENT


def test_a_time_without_a_zone_is_one_of_the_project(settings):
    settings.TIME_ZONE = "America/Bogota"
    naive = MOMENT.astimezone(ZoneInfo("America/Bogota")).replace(tzinfo=None)

    assert pickle_preview.time_of(pickle_preview.read(pickle.dumps(naive))) == MOMENT


@pytest.mark.parametrize("value", [None, 5, "yesterday", "", [], b"x", Decimal("1"), Loud()])
def test_what_is_no_time_is_none(value):
    assert pickle_preview.time_of(pickle_preview.read(pickle.dumps(value))) is None
