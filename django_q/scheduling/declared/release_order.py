"""Tell whether the schedules of this source are older than those that were written last.

Two releases of a project may start in any order while one replaces the other. The order is that of
``Q_CLUSTER["release"]``. Where that is not set, all schedules of a release have a fingerprint, and
a fingerprint that was replaced by another is older than that: a release that starts once more
changes nothing. So a release that declares exactly what an earlier one has declared needs a number,
or the command ``qschedules``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.conf import settings

from django_q.exceptions import DjangoQError
from django_q.models import ScheduleSource
from django_q.text.error_text import short_repr

RELEASE_PATTERN = re.compile(r"\d+(\.\d+)*")
#: How many fingerprints of earlier releases are kept.
MAX_SUPERSEDED = 200


class InvalidRelease(DjangoQError, ValueError):
    """Raised when the number of a release can not be compared."""


def release_number(release: Any) -> tuple[int, ...] | None:
    """Return a release as numbers that can be compared; None where there is none."""
    text = "" if release is None else str(release).strip()
    if not text:
        return None
    if isinstance(release, bool) or not RELEASE_PATTERN.fullmatch(text):
        raise InvalidRelease(
            "Q_CLUSTER['release'] must be a number, or numbers with dots such as '2026.11.30', "
            f"got {short_repr(release)}."
        )
    numbers = [int(part) for part in text.split(".")]
    while numbers[1:] and not numbers[-1]:
        numbers.pop()  # 2.0 is 2
    return tuple(numbers)


def fingerprint_of(values: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of all schedules that a source declares: their values by name."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def is_older(source: ScheduleSource, fingerprint: str, release: Any) -> bool:
    """Return True if the schedules of this process were replaced by those of a later release.

    With ``DEBUG`` it is False where no release is set: developers go back and forth.
    """
    own, last = release_number(release), release_number(source.release)
    if own is not None and own != last:
        return last is not None and own < last
    if own is None and settings.DEBUG:
        return False
    return fingerprint != source.fingerprint and fingerprint in json.loads(source.superseded)


def supersede(source: ScheduleSource, fingerprint: str, release: Any) -> None:
    """Note in the row that a release is the last one. Not saved."""
    if source.fingerprint and source.fingerprint != fingerprint:
        earlier = [each for each in json.loads(source.superseded) if each != fingerprint]
        earlier = [each for each in earlier if each != source.fingerprint]
        source.superseded = json.dumps([*earlier, source.fingerprint][-MAX_SUPERSEDED:])
    source.fingerprint = fingerprint
    if release is not None:
        source.release = str(release).strip() or None
