"""Convert due times between UTC and what the database stores."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from django_q import recurrence


def aware_utc(moment: datetime) -> datetime:
    """Convert a time from the database to UTC: it has no zone where ``USE_TZ`` is False.

    A time that is out of range in UTC becomes the first or the last moment that is in range.
    """
    try:
        known = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        return known.astimezone(recurrence.UTC)
    except OverflowError:
        return recurrence.FIRST_MOMENT if moment.year < 1000 else recurrence.LAST_MOMENT


def database_time(moment: datetime | None) -> datetime | None:
    """Convert an aware time to what the database stores."""
    if moment is None or settings.USE_TZ:
        return moment
    try:
        return timezone.make_naive(moment).replace(fold=0)  # no database stores ``fold``
    except OverflowError:
        return moment.replace(tzinfo=None)


def next_storable_due(
    rule: recurrence.Rule, moment: datetime | None, due: datetime
) -> datetime | None:
    """Find the first due time from ``moment`` on that is later than ``due`` when read again.

    Without ``USE_TZ`` an hour that is repeated when clocks are set back looks the same both times
    when it is read, and a schedule would be due again and again until that hour is over.
    """
    while moment is not None and aware_utc(database_time(moment)) <= aware_utc(due):
        moment = recurrence.next_due(rule, moment)
    return moment
