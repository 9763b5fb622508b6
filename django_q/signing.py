"""Sign packages, and verify a signature before a package is unpickled.

The format is that of ``django.core.signing.dumps``: URL-safe base64 of the serialized value, after
a dot when it is compressed, then a timestamp and a signature, separated by colons.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import pickle
import time
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.core.signing import BadSignature, b62_encode
from django.utils.dateparse import parse_datetime

from django_q.conf import Conf
from django_q.exceptions import PackageError, PackageTooLarge
from django_q.wire import pickles

__all__ = ["BadSignature", "PackageTooLarge", "PickleSerializer", "SignedPackage"]

#: Prefix of a value that was signed as the result of a task. The signature covers it, so that no
#: other value can be used as a result, nor a result as another value. Decoders of base64, as of the
#: predecessors, skip it; it has four characters because they pad a value by its length.
RESULT_MARK = b"!!!!"
RESULT_MARK_TEXT = RESULT_MARK.decode()
MARK_SEARCH_LENGTH = len(RESULT_MARK) + 1
#: The salt of Django Q 0.3, before it took the name of the cluster.
LEGACY_SALT = "django_q.q"


class PickleSerializer:
    """Serializes any picklable value; it is read only after its signature was verified."""

    @staticmethod
    def dumps(obj: Any, protocol: int | None = None) -> bytes:
        return pickles.dumps(obj) if protocol is None else pickle.dumps(obj, protocol)

    @staticmethod
    def loads(data: bytes) -> Any:
        return pickles.loads(data)


class JSONSerializer:
    """Serializes what JSON can carry, and the times of a task."""

    TIME_KEYS = ("started", "stopped")

    @staticmethod
    def dumps(obj: Any) -> bytes:
        if isinstance(obj, dict):
            times = {key: obj.get(key) for key in JSONSerializer.TIME_KEYS}
            texts = {k: v.isoformat() for k, v in times.items() if isinstance(v, datetime)}
            obj = {**obj, **texts}
        data = json.dumps(obj, separators=(",", ":")).encode()
        check_keys(obj)
        return data

    @staticmethod
    def loads(data: bytes) -> Any:
        obj = json.loads(data)
        if isinstance(obj, dict):
            for key in JSONSerializer.TIME_KEYS:
                if isinstance(obj.get(key), str):
                    with contextlib.suppress(ValueError):  # it is no time: leave it as text
                        obj[key] = parse_datetime(obj[key])
            if isinstance(obj.get("args"), list):
                obj["args"] = tuple(obj["args"])
        return obj


def check_keys(value: Any) -> None:
    """Raise ``TypeError`` for keys that JSON would convert to strings without an error."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys must be strings in JSON, got {key!r}")
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        check_keys(each)


SERIALIZERS = {"pickle": PickleSerializer, "json": JSONSerializer}


class SignedPackage:
    """Serializes and signs values with the cluster's name and the project's secret key."""

    @staticmethod
    def dumps(obj: Any, compressed: bool | None = None, purpose: bytes = b"") -> str:
        """Make a payload of a value. Only results have a purpose: ``RESULT_MARK``.

        Raises what the serializer raises for a value it can not carry, and
        ``PackageTooLarge`` above ``Q_CLUSTER['max_package_size']``.
        """
        data = SERIALIZERS[Conf.SERIALIZER].dumps(obj)
        if len(data) > Conf.MAX_PACKAGE_SIZE:
            raise PackageTooLarge(too_large_message(len(data)))
        mark = b""
        if Conf.COMPRESSED if compressed is None else compressed:
            smaller = zlib.compress(data)
            if len(smaller) < len(data) - 1:
                data, mark = smaller, b"."
        value = mark + purpose + encoded(data)
        value += b":" + timestamp(int(time.time()))
        return (value + b":" + signing_key(Conf.PREFIX).signature(value)).decode()

    @staticmethod
    def loads(payload: str | bytes, read: Callable[[bytes], Any] | None = None) -> Any:
        """Read a payload after verifying its signature, by the current key or a fallback.

        ``read`` replaces the serializer. Raises ``BadSignature`` when the signature does not match,
        or ``PackageError`` when it does and the value can not be read.
        """
        data = unsigned(as_bytes(payload))
        read = read or SERIALIZERS[Conf.SERIALIZER].loads
        try:
            return read(data)
        except Exception as error:
            raise PackageError(
                f"The package is signed by this project and can not be read as {Conf.SERIALIZER}: "
                f"{error!r}. Does this cluster run the same code as the sender?"
            ) from error


def as_bytes(payload: Any) -> bytes:
    """Convert a payload to bytes. Raises ``BadSignature`` for what is neither text nor bytes."""
    if type(payload) is bytes:
        return payload
    if isinstance(payload, str):
        return payload.encode(errors="surrogatepass")
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise BadSignature(f"A package must be text or bytes, got a {type(payload).__name__}.")


def is_result(payload: Any) -> bool:
    """Return True if a payload is marked as the result of a task; not verified here.

    The mark is at the beginning, or after the dot of a compressed payload.
    """
    if isinstance(payload, str):
        return RESULT_MARK_TEXT in payload[:MARK_SEARCH_LENGTH]
    return RESULT_MARK in bytes(payload[:MARK_SEARCH_LENGTH])


def unsigned(payload: bytes) -> bytes:
    """Verify a payload's signature and return its serialized value, decompressed."""
    value, _, given = payload.rpartition(b":")
    for key in verification_keys(Conf.PREFIX):
        if hmac.compare_digest(key.signature(value), given):
            break
    else:
        raise BadSignature(
            "The signature does not match. Was the package sent with another SECRET_KEY, "
            "or by a cluster of another name?"
        )
    text = value.rpartition(b":")[0]
    compressed = text.startswith(b".")
    data = decoded(text[1:] if compressed else text)
    return decompressed(data) if compressed else within_limit(data)


def encoded(data: bytes) -> bytes:
    """Write data as URL-safe base64 without padding.

    In three quarters of the time of ``urlsafe_b64encode``: to search for two characters that are
    rare is faster than to look each one up.
    """
    text = b2a_base64(data, newline=False).rstrip(b"=")
    return text.replace(b"+", b"-").replace(b"/", b"_")


def decoded(text: bytes) -> bytes:
    """Read URL-safe base64. Superfluous padding does no harm."""
    return a2b_base64(text.replace(b"-", b"+").replace(b"_", b"/") + b"==")


def decompressed(data: bytes) -> bytes:
    """Decompress at most one byte more than the limit, whatever size the data claims."""
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(data, Conf.MAX_PACKAGE_SIZE + 1)
    except zlib.error as error:
        raise PackageError(f"The package can not be decompressed: {error}.") from error
    return within_limit(data)


def within_limit(data: bytes) -> bytes:
    """Return the data, or raise ``PackageTooLarge``."""
    if len(data) > Conf.MAX_PACKAGE_SIZE:
        raise PackageTooLarge(too_large_message(len(data)))
    return data


def too_large_message(size: int) -> str:
    """Write the error of a package that is too large, and what to do."""
    return (
        f"A package may have {Conf.MAX_PACKAGE_SIZE} bytes (Q_CLUSTER['max_package_size']), "
        f"this one has {size} or more. Pass a reference, such as a primary key or a path, instead."
    )


class SigningKey:
    """A key derived as ``django.core.signing.TimestampSigner(salt=...)`` does.

    Signs with HMAC-SHA256 (RFC 2104). The state of both hashes after the key is kept, which halves
    the time that ``hmac.digest`` takes for a short value.
    """

    BLOCK_SIZE = 64  # bytes; SHA-256 reads such blocks, and a key is padded to one

    def __init__(self, secret: str | bytes, salt: str) -> None:
        secret = secret.encode() if isinstance(secret, str) else secret
        key = sha256(f"{salt}signer".encode() + secret).digest().ljust(self.BLOCK_SIZE, b"\0")
        self.inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self.outer = sha256(bytes(byte ^ 0x5C for byte in key))

    def signature(self, value: bytes) -> bytes:
        """Return the signature of a value in URL-safe base64."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return encoded(outer.digest())


@lru_cache(maxsize=8)
def signing_key(prefix: str) -> SigningKey:
    """Return the key with which packages of a cluster are signed."""
    return SigningKey(settings.SECRET_KEY, prefix)


@lru_cache(maxsize=8)
def verification_keys(prefix: str) -> list[SigningKey]:
    """Return the keys with which a payload may be signed, the likeliest first."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [SigningKey(secret, salt) for salt in (prefix, LEGACY_SALT) for secret in secrets]


def clear_key_caches(*, setting: str, **kwargs: Any) -> None:
    """Drop cached keys when a secret key changes; a receiver of ``setting_changed``."""
    if setting.startswith("SECRET_KEY"):
        signing_key.cache_clear()
        verification_keys.cache_clear()


setting_changed.connect(clear_key_caches, dispatch_uid="django_q.signing")


@lru_cache(maxsize=2)
def timestamp(seconds: int) -> bytes:
    """Encode a time as Django's signer does; in seconds since the epoch."""
    return b62_encode(seconds).encode()
