"""Signed packages: how a task travels, and how a cluster knows that it may unpickle one.

The format is that of ``django.core.signing.dumps``: URL-safe base64 of the serialized value,
behind a dot when it is compressed, then a timestamp and a signature, with colons between.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import pickle
import time
import zlib
from base64 import urlsafe_b64encode
from binascii import a2b_base64
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

#: Stands before a value that was signed as the result of a task. It is signed along, so that
#: nothing else becomes a result, and no result something else. Who decodes base64, as the
#: predecessors do, skips it; it has four characters because they count them to pad the value.
RESULT_MARK = b"!!!!"
RESULT_MARK_TEXT = RESULT_MARK.decode()
MARK_SEARCH_LENGTH = len(RESULT_MARK) + 1
#: The salt of Django Q 0.3, before it took the name of the cluster.
LEGACY_SALT = "django_q.q"
#: Turns URL-safe base64 into the usual one.
STANDARD_BASE64 = bytes.maketrans(b"-_", b"+/")


class PickleSerializer:
    """Any picklable value; read only once its signature is proven."""

    @staticmethod
    def dumps(obj: Any, protocol: int | None = None) -> bytes:
        return pickles.dumps(obj) if protocol is None else pickle.dumps(obj, protocol)

    @staticmethod
    def loads(data: bytes) -> Any:
        return pickles.loads(data)


class JSONSerializer:
    """What JSON can carry, and the times of a task."""

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
                    with contextlib.suppress(ValueError):  # it is no time, and stays text
                        obj[key] = parse_datetime(obj[key])
            if isinstance(obj.get("args"), list):
                obj["args"] = tuple(obj["args"])
        return obj


def check_keys(value: Any) -> None:
    """Raise ``TypeError`` for keys that JSON would turn into strings without a word."""
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
    """Sign and serialize values with the cluster's name and the project's secret key."""

    @staticmethod
    def dumps(obj: Any, compressed: bool | None = None, purpose: bytes = b"") -> str:
        """Make a payload of a value. Only a result states its purpose: ``RESULT_MARK``.

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
        value = mark + purpose + urlsafe_b64encode(data).rstrip(b"=")
        value += b":" + timestamp(int(time.time()))
        return (value + b":" + signing_key(Conf.PREFIX).signature(value)).decode()

    @staticmethod
    def loads(payload: str | bytes, read: Callable[[bytes], Any] | None = None) -> Any:
        """Read a payload whose signature holds, under the current key or a fallback.

        ``read`` takes the place of the serializer. Raises ``BadSignature`` when it does not hold,
        or ``PackageError`` when the value can not be read although it does.
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
    """Give the bytes of a payload. Raises ``BadSignature`` for what is neither text nor bytes."""
    if type(payload) is bytes:
        return payload
    if isinstance(payload, str):
        return payload.encode(errors="surrogatepass")
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise BadSignature(f"A package must be text or bytes, got a {type(payload).__name__}.")


def is_result(payload: Any) -> bool:
    """Whether a payload says that it is the result of a task. Its signature tells if that is true.

    It stands at the beginning, behind the dot of what is compressed.
    """
    if isinstance(payload, str):
        return RESULT_MARK_TEXT in payload[:MARK_SEARCH_LENGTH]
    return RESULT_MARK in bytes(payload[:MARK_SEARCH_LENGTH])


def unsigned(payload: bytes) -> bytes:
    """Check a payload's signature and return its serialized value, decompressed."""
    value, _, given = payload.rpartition(b":")
    for key in verification_keys(Conf.PREFIX):
        if hmac.compare_digest(key.signature(value), given):
            break
    else:
        raise BadSignature(
            "The signature does not match. Was the package sent with another SECRET_KEY, "
            "or by a cluster of another name?"
        )
    encoded = value.rpartition(b":")[0]
    compressed = encoded.startswith(b".")
    encoded = encoded[1:] if compressed else encoded
    # As urlsafe_b64decode does, without its copies; padding that is not needed does no harm.
    data = a2b_base64(encoded.translate(STANDARD_BASE64) + b"==")
    return decompressed(data) if compressed else within_limit(data)


def decompressed(data: bytes) -> bytes:
    """Decompress no further than the limit, whatever the data claims to hold."""
    reader = zlib.decompressobj()
    try:
        whole = reader.decompress(data, Conf.MAX_PACKAGE_SIZE + 1)
    except zlib.error as error:
        raise PackageError(f"The package can not be decompressed: {error}.") from error
    return within_limit(whole)


def within_limit(data: bytes) -> bytes:
    """Pass on what may be read."""
    if len(data) > Conf.MAX_PACKAGE_SIZE:
        raise PackageTooLarge(too_large_message(len(data)))
    return data


def too_large_message(size: int) -> str:
    """Say that a package is too large, and what to do."""
    return (
        f"A package may have {Conf.MAX_PACKAGE_SIZE} bytes (Q_CLUSTER['max_package_size']), "
        f"this one has {size} or more. Pass a reference, such as a primary key or a path, instead."
    )


class SigningKey:
    """A key derived as ``django.core.signing.TimestampSigner(salt=...)`` does.

    Signs with HMAC-SHA256 (RFC 2104). Both of its hashes are begun once for all values, which
    halves the time that ``hmac.digest`` takes for a short one.
    """

    BLOCK_SIZE = 64  # bytes that SHA-256 takes at a time, and a key is padded to

    def __init__(self, secret: str | bytes, salt: str) -> None:
        secret = secret.encode() if isinstance(secret, str) else secret
        key = sha256(f"{salt}signer".encode() + secret).digest().ljust(self.BLOCK_SIZE, b"\0")
        self.inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self.outer = sha256(bytes(byte ^ 0x5C for byte in key))

    def signature(self, value: bytes) -> bytes:
        """Sign a value, in URL-safe base64."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return urlsafe_b64encode(outer.digest()).rstrip(b"=")


@lru_cache(maxsize=8)
def signing_key(prefix: str) -> SigningKey:
    """Give the key that packages of a cluster are signed with."""
    return SigningKey(settings.SECRET_KEY, prefix)


@lru_cache(maxsize=8)
def verification_keys(prefix: str) -> list[SigningKey]:
    """List the keys a payload may be signed with, likeliest first."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [SigningKey(secret, salt) for salt in (prefix, LEGACY_SALT) for secret in secrets]


def clear_key_caches(*, setting: str, **kwargs: Any) -> None:
    """Receive ``setting_changed``, which tests send."""
    if setting.startswith("SECRET_KEY"):
        signing_key.cache_clear()
        verification_keys.cache_clear()


setting_changed.connect(clear_key_caches, dispatch_uid="django_q.signing")


@lru_cache(maxsize=2)
def timestamp(seconds: int) -> bytes:
    """Encode a time as the signer does; seconds since the epoch."""
    return b62_encode(seconds).encode()
