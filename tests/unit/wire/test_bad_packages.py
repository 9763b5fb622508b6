"""Junk by the thousand: whatever comes off a queue is read, or refused with a reason."""

from __future__ import annotations

import pickle
import zlib
from base64 import urlsafe_b64encode
from datetime import datetime, timezone

import pytest
from django.core import signing as django_signing
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.execution.execution import UndecodablePayload, decode, execute
from django_q.execution.invalid_packages import IDENTIFYING_KEYS, InvalidPackage
from django_q.signing import BadSignature, PackageTooLarge, PickleSerializer, SignedPackage
from django_q.wire.package import REQUIRED_KEYS, checked_package

#: The fixture that puts options back needs to run only once for all examples.
MANY = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

GOOD = {
    "id": "a" * 32,
    "name": "good",
    "func": "tests.tasks.echo",
    "args": (1,),
    "kwargs": {"x": 2},
    "started": datetime(2030, 1, 1, tzinfo=timezone.utc),
}
PAYLOAD = SignedPackage.dumps(GOOD)
KEYS = [*REQUIRED_KEYS, "hook", "group", "chain", "timeout", "max_attempts", "cached", "iter_count"]

#: Values of every shape that a pickle can carry.
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.just(len)
    | st.just(object),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(payload: str | bytes) -> object:
    """Decode a payload as a worker does."""
    return decode("1", payload)


@pytest.mark.once
@MANY
@given(st.text() | st.binary())
@example("")
@example(":")
@example("::")
@example(".:1:2")
@example("\x00")
@example("\ud800")
def test_any_text_is_refused_with_a_reason(payload):
    found = read(payload)

    assert isinstance(found, UndecodablePayload)
    assert found.payload == payload
    assert found.reason


@pytest.mark.once
@MANY
@given(st.integers(0, len(PAYLOAD) - 1), st.characters(codec="ascii"))
def test_a_payload_with_one_character_changed_is_refused(position, character):
    if PAYLOAD[position] == character:
        return
    changed = PAYLOAD[:position] + character + PAYLOAD[position + 1 :]

    found = read(changed)

    assert isinstance(found, UndecodablePayload)


@pytest.mark.once
@MANY
@given(st.integers(0, len(PAYLOAD) - 1))
def test_a_payload_cut_short_is_refused(length):
    assert isinstance(read(PAYLOAD[:length]), UndecodablePayload)


@pytest.mark.once
@MANY
@given(VALUES)
@example({"id": None})
@example({"stopped": 1, "id": "a"})
def test_a_signed_value_is_a_package_or_refused(value):
    is_named = isinstance(value, dict) and bool(IDENTIFYING_KEYS & value.keys())
    is_named = is_named and "stopped" not in value  # a result from a cache

    found = read(SignedPackage.dumps(value))

    assert isinstance(found, InvalidPackage if is_named else UndecodablePayload)


@pytest.mark.once
@MANY
@given(st.sets(st.sampled_from(KEYS)), st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_a_package_with_fields_missing_and_wrong_is_refused_or_runs_to_an_end(missing, wrong):
    package = {**{k: v for k, v in GOOD.items() if k not in missing}, **wrong}

    found = read(SignedPackage.dumps(package))

    if isinstance(found, UndecodablePayload):
        assert found.reason
        return
    # It calls nothing of its own here: what it would call is not ours to judge.
    found["func"] = "tests.tasks.echo"
    execute(found)
    assert found["success"] in (True, False)


@pytest.mark.parametrize("key", REQUIRED_KEYS)
def test_each_field_that_is_missing_is_refused_or_completed(key):
    package = {k: v for k, v in GOOD.items() if k != key}

    found = read(SignedPackage.dumps(package))

    if key in ("args", "kwargs"):
        assert found[key] == type(GOOD[key])()
    else:
        assert key in found.reason


def test_cyclic_arguments_travel():
    cyclic: list = []
    cyclic.append(cyclic)

    found = read(SignedPackage.dumps({**GOOD, "args": (cyclic,)}))

    (value,) = found["args"]
    assert value[0] is value


def test_a_cyclic_package_is_refused():
    package: dict = dict(GOOD)
    package["kwargs"] = package

    found = read(SignedPackage.dumps(package))

    assert isinstance(found, (dict, UndecodablePayload))  # and no endless loop


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_arguments_nested_too_deep_are_refused_at_the_call(conf, serializer):
    conf(serializer=serializer)
    nested: list = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises((RecursionError, MemoryError, ValueError)):
        SignedPackage.dumps({**GOOD, "started": None, "args": (nested,)})


def test_what_is_nested_too_deep_to_be_read_is_refused():
    depth = 100_000
    deep = b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."
    value = urlsafe_b64encode(deep).rstrip(b"=")
    signer = django_signing.TimestampSigner(salt="test")

    found = read(signer.sign(value.decode()))

    assert isinstance(found, UndecodablePayload)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x09.",
        b"cposix\nnot_there\n.",
        b"cno_such_module\nname\n.",
        b"(" * 1000,
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a text of eight exabytes
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes, as many
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a frame of that size
        pickle.dumps(GOOD)[:-10],
    ],
)
def test_a_signed_pickle_that_is_broken_is_refused(data):
    value = urlsafe_b64encode(data).rstrip(b"=").decode()
    payload = django_signing.TimestampSigner(salt="test").sign(value)

    assert isinstance(read(payload), UndecodablePayload)


def test_a_bomb_is_not_unpacked_beyond_the_limit(conf):
    conf(max_package_size=100_000)
    packed = zlib.compress(b"\x00" * 200_000_000, 9)
    value = "." + urlsafe_b64encode(packed).rstrip(b"=").decode()
    payload = django_signing.TimestampSigner(salt="test").sign(value)

    found = read(payload)

    assert "max_package_size" in found.reason


def test_a_package_that_is_too_large_is_refused_at_both_ends(conf):
    large = SignedPackage.dumps({**GOOD, "args": ("x" * 200_000,)})
    conf(max_package_size=100_000)

    with pytest.raises(PackageTooLarge, match="max_package_size"):
        SignedPackage.dumps({**GOOD, "args": ("x" * 200_000,)})
    assert "max_package_size" in read(large).reason


def test_a_package_that_is_sent_again_is_the_same_package():
    assert read(PAYLOAD) == read(PAYLOAD)


@pytest.mark.once
@MANY
@given(VALUES)
def test_what_is_checked_is_complete_or_refused(value):
    package = value if not isinstance(value, dict) else {**GOOD, **value}
    try:
        found = checked_package(package)
    except PackageError:
        return

    assert set(REQUIRED_KEYS) <= found.keys()


@pytest.mark.once
@MANY
@given(VALUES)
def test_a_value_signed_with_another_key_is_never_read(value):
    payload = django_signing.dumps(value, key="another", salt="test", serializer=PickleSerializer)

    with pytest.raises(BadSignature):
        SignedPackage.loads(payload)


@pytest.mark.once
@MANY
@given(VALUES)
def test_json_carries_a_value_unchanged_or_refuses_it(conf, value):
    conf(serializer="json")
    try:
        payload = SignedPackage.dumps([value])
    except (TypeError, ValueError):
        return
    (found,) = SignedPackage.loads(payload)

    assert repr(as_lists(found)) == repr(as_lists(value))
    assert Conf.SERIALIZER == "json"


def as_lists(value: object) -> object:
    """Make lists of tuples, which JSON does as well."""
    if isinstance(value, (list, tuple)):
        return [as_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: as_lists(each) for key, each in value.items()}
    return value
