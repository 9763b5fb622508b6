"""The clock of a test, which ``travel`` moves: all of this package reads it, and Django does."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.utils import timezone

from django_q.servers import database_clock


class Clock:
    """The time of this machine, and so many seconds more.

    The time is asked of ``datetime`` whenever it is read, so what replaces that counts as well.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset  #: seconds

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return dt.datetime.now(dt.timezone.utc).timestamp() + self.offset

    def move_to(self, moment: float) -> None:
        """Move to a time, in seconds since the epoch. The clock is never set back."""
        self.offset += max(0.0, moment - self.time())

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have ``timezone.now()``, ``time.time()`` and the time in SQL be that of this clock."""
        with (
            mock.patch.object(timezone, "datetime", moved_datetime(self)),
            mock.patch.object(time, "time", self.time),
            # The time of a database server is no other than that of this machine then.
            mock.patch.dict(database_clock.SQL_TIME_BY_VENDOR, clear=True),
        ):
            yield


def moved_datetime(clock: Clock) -> type:
    """Make what ``django.utils.timezone`` has as ``datetime``: its ``now`` is that of a clock.

    Instances are those of the class whose place it takes, which may be one that freezegun made.
    """

    class ActsAsDatetime(type(dt.datetime)):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, dt.datetime)

        def __call__(cls, *args: Any, **kwargs: Any) -> dt.datetime:
            return dt.datetime(*args, **kwargs)

    class MovedDatetime(dt.datetime, metaclass=ActsAsDatetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + dt.timedelta(seconds=clock.offset)

    return MovedDatetime


def seconds_in(span: dt.timedelta | float | None, units: dict[str, float]) -> float:
    """Return the seconds of a span of time, or of ``hours=3``. Raises ``ValueError`` below 0."""
    given = dt.timedelta(seconds=span) if isinstance(span, (int, float)) else span
    seconds = ((given or dt.timedelta()) + dt.timedelta(**units)).total_seconds()
    if seconds < 0:
        raise ValueError(f"The clock of a test is never set back; got {seconds} seconds.")
    return seconds
