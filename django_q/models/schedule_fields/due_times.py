"""Due times: as the database gives and keeps them, and in UTC."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from django_q import recurrence


def aware_utc(moment: datetime) -> datetime:
    """Read a time as the database gives it: without a zone where ``USE_TZ`` is False.

    One that is out of the calendar in UTC becomes the first or the last that is in it.
    """
    try:
        known = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        return known.astimezone(recurrence.UTC)
    except OverflowError:
        return recurrence.FIRST_MOMENT if moment.year < 1000 else recurrence.LAST_MOMENT


def database_time(moment: datetime | None) -> datetime | None:
    """Turn a time into what the database keeps."""
    if moment is None or settings.USE_TZ:
        return moment
    try:
        return timezone.make_naive(moment).replace(fold=0)  # which no database keeps
    except OverflowError:
        return moment.replace(tzinfo=None)


def next_storable_due(
    rule: recurrence.Rule, moment: datetime | None, due: datetime
) -> datetime | None:
    """Find the first due time from ``moment`` on that is later than ``due`` when read again.

    Without ``USE_TZ`` the second pass of an hour that a night repeats can not be told from the
    first, and a schedule would be due again and again until it is over.
    """
    while moment is not None and aware_utc(database_time(moment)) <= aware_utc(due):
        moment = recurrence.next_due(rule, moment)
    return moment
