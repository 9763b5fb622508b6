"""Sign small values that are kept beside tasks and queues: states and notices.

The signature covers what a value is for, and of which task or queue: none can be used as another.
The values are JSON, so that to read one runs no code of anybody.
"""

from __future__ import annotations

import hmac
import json
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from django_q.conf import Conf
from django_q.signing import BadSignature, SigningKey

#: What a value is for.
ATTEMPTS, POSITION, CANCELLED, NOTICE = "attempts", "position", "cancelled", "notice"
RUN_ANSWER = "shown"


def sign_text(purpose: str, subject: str, value: Any) -> str:
    """Sign a value for a purpose, of the task or queue named ``subject``; gives ASCII text."""
    data = json.dumps(value, separators=(",", ":"))
    return f"{signature(settings.SECRET_KEY, purpose, subject, data).decode()}:{data}"


def read_signed_text(purpose: str, subject: str, text: str) -> Any:
    """Read a value that was signed so. Raises ``BadSignature`` for anything else."""
    given, _, data = text.partition(":")
    given_bytes = given.encode(errors="surrogatepass")
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(signature(secret, purpose, subject, data), given_bytes):
            try:
                return json.loads(data)
            except ValueError as error:
                raise BadSignature(f"The {purpose} of {subject} is no JSON: {error}.") from error
    raise BadSignature(
        f"The signature of the {purpose} of {subject} does not match. Was it written with another "
        "SECRET_KEY, or by a cluster of another name?"
    )


def signature(secret: str | bytes, purpose: str, subject: str, data: str) -> bytes:
    """Return the signature of data."""
    text = f"{len(subject)}:{subject}:{data}".encode(errors="surrogatepass")
    return text_key(secret, f"{Conf.PREFIX}:{purpose}").signature(text)


@lru_cache(maxsize=32)
def text_key(secret: str | bytes, salt: str) -> SigningKey:
    """Return the key of a purpose."""
    return SigningKey(secret, salt)


def clear_text_keys(*, setting: str, **kwargs: Any) -> None:
    """Drop cached keys when a secret key changes; a receiver of ``setting_changed``."""
    if setting.startswith("SECRET_KEY"):
        text_key.cache_clear()


setting_changed.connect(clear_text_keys, dispatch_uid="django_q.task_state.signed_text")
