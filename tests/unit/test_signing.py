"""Signed packages: what they look like, and which ones are read."""

from __future__ import annotations

import pickle
import threading
import zlib
from base64 import urlsafe_b64encode
from datetime import datetime, timezone

import pytest
from django.core import signing as django_signing

from django_q.exceptions import PackageError
from django_q.signing import (
    LEGACY_SALT,
    BadSignature,
    PackageTooLarge,
    PickleSerializer,
    SignedPackage,
    SigningKey,
)

VALUE = {"id": "a" * 32, "func": "math.floor", "args": (1.5, b"\x00"), "x": "é" * 50}


class OldPickle(PickleSerializer):
    """How Django Q 0.3 pickles."""

    @staticmethod
    def dumps(obj: object, protocol: int = 0) -> bytes:
        return pickle.dumps(obj, protocol)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_value_comes_back(compressed):
    payload = SignedPackage.dumps(VALUE, compressed)

    assert isinstance(payload, str)
    assert SignedPackage.loads(payload) == SignedPackage.loads(payload.encode()) == VALUE


@pytest.mark.parametrize("compressed", [False, True])
def test_the_format_is_that_of_django(compressed):
    payload = SignedPackage.dumps(VALUE, compressed)

    read = django_signing.loads(payload, salt="test", serializer=PickleSerializer)

    assert read == VALUE
    assert payload.startswith(".") is compressed


@pytest.mark.parametrize("salt", ["test", LEGACY_SALT])
@pytest.mark.parametrize("serializer", [PickleSerializer, OldPickle])
@pytest.mark.parametrize("compress", [False, True])
def test_payloads_of_the_predecessors_are_read(salt, serializer, compress):
    payload = django_signing.dumps(VALUE, salt=salt, serializer=serializer, compress=compress)

    assert SignedPackage.loads(payload) == VALUE


def test_a_payload_under_an_earlier_secret_key_is_read(settings):
    payload = SignedPackage.dumps(VALUE)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["older", settings.SECRET_KEY]

    assert SignedPackage.loads(payload) == VALUE
    assert SignedPackage.dumps(VALUE) != payload


def test_a_payload_under_another_secret_key_is_not_read(settings):
    payload = SignedPackage.dumps(VALUE)

    settings.SECRET_KEY = "new"

    with pytest.raises(BadSignature, match="another SECRET_KEY, or by a cluster of another name"):
        SignedPackage.loads(payload)


def test_a_payload_of_another_cluster_is_not_read(conf):
    payload = SignedPackage.dumps(VALUE)

    conf(name="other")

    with pytest.raises(BadSignature):
        SignedPackage.loads(payload)


@pytest.mark.parametrize("junk", ["", ":", "::", "junk", b"\xff\x00", "a:b:c", "." * 100])
def test_junk_is_no_payload(junk):
    with pytest.raises(BadSignature):
        SignedPackage.loads(junk)


def test_a_payload_that_was_changed_is_not_read():
    payload = SignedPackage.dumps(VALUE)
    middle = len(payload) // 3
    other = "A" if payload[middle] != "A" else "B"

    with pytest.raises(BadSignature):
        SignedPackage.loads(payload[:middle] + other + payload[middle + 1 :])


def test_nothing_is_unpickled_before_the_signature_is_proven():
    class Bomb:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("it was unpickled",)

    value = urlsafe_b64encode(pickle.dumps(Bomb())) + b":1"

    with pytest.raises(BadSignature):
        SignedPackage.loads(value + b":" + SigningKey("another key", "test").signature(value))


def test_compression_is_a_setting_and_is_left_where_it_does_not_help(conf):
    conf(compress=True)

    assert SignedPackage.dumps(VALUE).startswith(".")
    assert not SignedPackage.dumps(1).startswith(".")


def test_a_package_has_a_largest_size(conf):
    payload = SignedPackage.dumps(b"x" * 2000)
    conf(max_package_size=1000)

    with pytest.raises(PackageTooLarge, match="may have 1000 bytes"):
        SignedPackage.dumps(b"x" * 2000)
    with pytest.raises(PackageTooLarge):
        SignedPackage.loads(payload)


def test_a_package_is_not_decompressed_beyond_its_largest_size(conf):
    conf(max_package_size=1000)
    bomb = django_signing.dumps(b"x" * 10_000_000, salt="test", serializer=PickleSerializer)
    compressed = django_signing.dumps(
        b"x" * 10_000_000, salt="test", serializer=PickleSerializer, compress=True
    )

    for payload in (bomb, compressed):
        with pytest.raises(PackageTooLarge):
            SignedPackage.loads(payload)


def test_what_can_not_be_decompressed_is_said_to_be_so():
    class Broken(PickleSerializer):
        @staticmethod
        def dumps(obj: object, protocol: int = -1) -> bytes:
            return zlib.compress(b"x" * 1000)[:-10]

    value = django_signing.TimestampSigner(salt="test").sign(
        "." + urlsafe_b64encode(b"no zlib").rstrip(b"=").decode()
    )

    with pytest.raises(PackageError, match="can not be decompressed"):
        SignedPackage.loads(value)


def test_what_is_signed_and_can_not_be_unpickled_is_said_to_be_so():
    payload = django_signing.dumps({"a": 1}, salt="test")  # JSON

    with pytest.raises(PackageError, match="signed by this project and can not be read as pickle"):
        SignedPackage.loads(payload)


def test_what_can_not_be_pickled_raises_as_pickle_does():
    with pytest.raises(TypeError):
        SignedPackage.dumps(threading.Lock())


def test_json_carries_a_package_without_pickle(conf):
    conf(serializer="json")
    started = datetime(2025, 5, 5, 9, 30, 0, 123000, tzinfo=timezone.utc)

    payload = SignedPackage.dumps({"id": "a", "args": (1, "x"), "started": started})

    assert SignedPackage.loads(payload) == {"id": "a", "args": (1, "x"), "started": started}
    with pytest.raises(PackageError):
        SignedPackage.loads(django_signing.dumps(1, salt="test", serializer=PickleSerializer))


def test_a_surrogate_in_a_text_travels():
    assert SignedPackage.loads(SignedPackage.dumps("\ud800")) == "\ud800"
