"""Digests of calls: the same for the same call, another for any other."""

from __future__ import annotations

import string
from collections import OrderedDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe

from django_q.exceptions import PackageError
from django_q.wire.call_digest import CALL_KEY, IDEMPOTENCY_KEY, UNIQUE_KEY, call_digest, digest
from tests.tasks import Calculator, echo, multiply

UTC = timezone.utc
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Level(Enum):
    HIGH = 5
    LOW = 1


class Rank(IntEnum):
    HIGH = 5


#: Values that are all different.
DIFFERENT: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**70, 0.0, 1.0, -0.0, float("nan"), float("inf")),
    *("", "1", "a", "b", "n", "b1", "i1:1", "\udc80", b"", b"a", b"1"),
    *(NOON, NOON.replace(tzinfo=None), NOON + timedelta(microseconds=1)),
    *(date(2030, 1, 1), time(12), time(12, tzinfo=UTC), timedelta(1), timedelta(seconds=1)),
    *(Decimal("1"), Decimal("1.0"), UUID(int=1), UUID(int=2), Path("/a"), Path("/b")),
    *(Level.HIGH, Level.LOW, Rank.HIGH),
    *([], [1], [1, 2], [2, 1], [[1], 2], [[1, 2]], ["ab", "c"], ["a", "bc"]),
    *({}, {"a": 1}, {"a": 2}, {"b": 1}, {1: "a"}, {"1": "a"}, {"a": 1, "b": 2}, {(1, 2): None}),
    *(set(), {1}, {1, 2}, {"1"}),
]

#: Pairs of values that are written differently and are the same.
SAME: list[tuple[Any, Any]] = [
    ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    ({"a": 1}, OrderedDict(a=1)),
    ({1: 1, "1": 2, None: 3}, {None: 3, "1": 2, 1: 1}),
    ({3, 1, 2, "x"}, {"x", 2, 1, 3}),
    ({1}, frozenset([1])),
    ([1, [2]], (1, (2,))),
    ("a", mark_safe("a")),
    (NOON, NOON.astimezone(timezone(timedelta(hours=5)))),
]

SELF_CONTAINED: list[Any] = []
SELF_CONTAINED.append(SELF_CONTAINED)


class Broken(dict):
    def items(self) -> Any:
        raise RuntimeError("as asked")


#: Values that have no form that stays the same.
UNSTABLE: list[Any] = [
    *(object(), echo, Calculator(), Calculator, lazystr("a"), 1j, iter([1]), range(3)),
    *([object()], {"a": [object()]}, {object(): 1}, {1: object()}, {Calculator()}),
    *(SELF_CONTAINED, Broken(a=1), User(username="new"), User(pk=5), bytearray(b"a")),
]


def digest_of(*args: Any, **kwargs: Any) -> str:
    """Digest a call of ``echo``."""
    return call_digest(echo, args, kwargs)


def test_a_digest_has_32_hexadecimal_digits():
    assert len(digest_of(1)) == 32
    assert set(digest_of(1)) <= set(string.hexdigits.lower())


def test_different_values_have_different_digests():
    digests = {digest_of(value) for value in DIFFERENT}

    assert len(digests) == len(DIFFERENT)


@pytest.mark.parametrize("value", DIFFERENT)
def test_a_value_has_the_same_digest_each_time(value):
    assert digest_of(value) == digest_of(value)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_value_that_is_written_differently_has_the_same_digest(one, other):
    assert digest_of(one) == digest_of(other)
    assert digest_of([one], x=other) == digest_of([other], x=one)


def test_calls_are_told_apart_by_function_position_and_name():
    digests = [
        digest_of(),
        call_digest(multiply, (), {}),
        digest_of(1),
        digest_of(1, 2),
        digest_of(2, 1),
        digest_of((1, 2)),
        digest_of(x=1),
        digest_of(y=1),
        digest_of(1, x=2),
        digest_of(x=1, y=2),
        digest_of("x", 1),
    ]

    assert len(set(digests)) == len(digests)


def test_the_order_of_named_arguments_does_not_matter():
    assert digest_of(x=1, y=2) == digest_of(y=2, x=1)


def test_a_function_and_its_path_are_the_same():
    assert call_digest(echo, (1,), {}) == call_digest("tests.tasks.echo", (1,), {})


def test_the_kinds_of_keys_have_no_digest_in_common():
    assert len({digest(kind, "a") for kind in (CALL_KEY, UNIQUE_KEY, IDEMPOTENCY_KEY)}) == 3


def test_a_digest_stays_the_same_from_release_to_release():
    assert digest_of(1, "a", x=[None, 2.5]) == "dcdedb40fd1d45921ec1295e0781ce11"
    assert digest(UNIQUE_KEY, "order 1") == "2da3c00487908d924d21635229a5e1b1"


@pytest.mark.parametrize("value", UNSTABLE)
def test_a_value_without_a_stable_form_is_refused_by_the_name_of_its_argument(value):
    with pytest.raises(PackageError, match=r"Argument 2 of a task with unique=True must be"):
        digest_of(1, value)
    with pytest.raises(PackageError, match="Argument 'x' of a task"):
        digest_of(1, x=value)


@pytest.mark.parametrize("func", [Calculator().add, partial(echo, 1), lambda: 1])
def test_a_function_that_is_found_by_no_name_is_refused(func):
    with pytest.raises(PackageError, match="importable by name"):
        call_digest(func, (), {})


@pytest.mark.django_db
def test_a_row_is_digested_by_model_and_key():
    user, other = (User.objects.create(username=name) for name in ("a", "b"))
    group = Group.objects.create(pk=user.pk, name="a")
    same = User.objects.only("pk").get(pk=user.pk)
    user.username = "changed"

    assert digest_of(user) == digest_of(same) == digest_of(SimpleLazyObject(lambda: user))
    assert len({digest_of(user), digest_of(other), digest_of(group), digest_of(user.pk)}) == 4
