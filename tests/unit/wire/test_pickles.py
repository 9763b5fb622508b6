"""Pickles of packages are pickles like others."""

from __future__ import annotations

import pickle
import pickletools
from datetime import datetime, timedelta, timezone
from io import BytesIO, StringIO
from typing import Any

import pytest

from django_q.wire import pickles
from django_q.wire.package import new_package

NOW = datetime(2026, 10, 25, 2, 30, 1, 234567, tzinfo=timezone.utc)
PACKAGE = {"id": "a" * 32, "args": (1, "é"), "kwargs": {}, "started": NOW, "group": "g"}

PACKAGES = [
    PACKAGE,
    {"started": NOW},
    {"id": "a", "started": NOW},
    {**PACKAGE, "started": NOW.replace(fold=1)},
    {**PACKAGE, "started": NOW.replace(microsecond=0, year=1)},
    {**PACKAGE, "args": (NOW, NOW)},
    {**PACKAGE, "args": ("x" * 300, b"y" * 300)},
    {**PACKAGE, "args": ("x" * 100_000, b"y" * 100_000, ["z"] * 100_000)},
]
OTHERS: list[Any] = [
    {**PACKAGE, "started": NOW.replace(tzinfo=None)},
    {**PACKAGE, "started": NOW.astimezone(timezone(timedelta(hours=2)))},
    {**PACKAGE, "started": None},
    {"id": "a"},
    {},
    [PACKAGE],
    NOW,
    None,
]


@pytest.mark.parametrize("value", [*PACKAGES, *OTHERS])
def test_a_value_comes_back_whoever_reads_it(value):
    data = pickles.dumps(value)

    for read in (pickles.loads, pickle.loads, lambda data: pickle._Unpickler(BytesIO(data)).load()):
        found = read(data)
        assert found == value
        assert type(found) is type(value)
        if isinstance(value, dict) and value.get("started"):
            assert repr(found["started"]) == repr(value["started"])
    pickletools.dis(data, out=StringIO())  # raises where something is wrong


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [*PACKAGES, *OTHERS])
def test_what_pickle_has_written_is_read(value, protocol):
    assert pickles.loads(pickle.dumps(value, protocol)) == value


def test_a_package_is_left_as_it_was():
    package = new_package("math.floor", (1.5,), {}, {})
    before = dict(package)

    data = pickles.dumps(package)

    assert package == before
    assert data.endswith(pickles.DATETIME_SUFFIX)  # in the fast way


def test_what_only_looks_like_a_package_at_its_end_is_refused_as_junk():
    data = pickles.dumps(PACKAGE)

    for junk in (
        data[5:],
        data[-len(pickles.DATETIME_SUFFIX) :],
        b"\x80\x05" + data[60:],
        b"",
        b".",
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - as with pickle, any
            pickles.loads(junk)
