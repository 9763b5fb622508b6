"""Texts of charts: times in their unit, and moments as the axis and the hints name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone

from django.utils import formats
from django.utils import timezone as django_timezone

from django_q.rollups.spans import DAY, HOUR, MINUTE

#: From the greatest: seconds, and the symbol of the unit, which all languages share.
UNITS = ((HOUR, "h"), (MINUTE, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))


def short_time(seconds: float | None) -> str:
    """Write a time with two digits that count, in the unit that suits it; a dash for None."""
    if seconds is None:
        return "-"
    size, symbol = next((unit for unit in UNITS if seconds >= unit[0]), UNITS[-1])
    number = seconds / size
    return f"{number:.1f} {symbol}" if number < 9.95 else f"{number:.0f} {symbol}"


def local_time(seconds: int) -> datetime:
    """Make a time of seconds since the epoch, in the current time zone."""
    return django_timezone.template_localtime(datetime.fromtimestamp(seconds, timezone.utc), True)


def step_texts(times: Iterable[int], step: int) -> Iterator[str]:
    """Name steps by when they began; with their day unless a chart shows one day at most."""
    days: dict[date, str] = {}  # a format is slow, and a day has many steps
    for local in map(local_time, times):
        clock, day = local.strftime("%H:%M"), local.date()
        if step >= HOUR and day not in days:
            days[day] = formats.date_format(day, "SHORT_DATE_FORMAT")
        yield f"{days[day]} {clock}" if days else clock


def axis_text(seconds: int, step: int) -> str:
    """Name a step on the axis; empty for most of them, so that there is room for the others."""
    local = local_time(seconds)
    since_midnight = local.hour * HOUR + local.minute * MINUTE
    if step < HOUR:  # of an hour or a day
        interval = 15 * MINUTE if step == MINUTE else 6 * HOUR
        return local.strftime("%H:%M") if since_midnight % interval < step else ""
    if since_midnight >= step:
        return ""
    if step * 24 <= DAY:
        return formats.date_format(local, "D")
    return formats.date_format(local, "SHORT_DATE_FORMAT") if local.weekday() == 0 else ""
