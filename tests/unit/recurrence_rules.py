"""Rules of schedules for tests, in time zones whose clocks change."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from django_q import recurrence
from django_q.recurrence import Rule

UTC = timezone.utc
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NEW_YORK = ZoneInfo("America/New_York")
#: Moves its clocks by half an hour.
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = (AMSTERDAM, NEW_YORK, LORD_HOWE)


def make_rule(kind: str, start: str, zone: ZoneInfo = AMSTERDAM, **options: Any) -> Rule:
    """Make a rule whose first due time is at a wall-clock time."""
    anchor = datetime.fromisoformat(start).replace(tzinfo=zone)
    return Rule(kind, zone, anchor, **options)


def following(rule: Rule, number: int = 3) -> list[str]:
    """List the due times after the first, as the clock of the zone shows them."""
    times = islice(recurrence.series(rule, rule.anchor), 1, number + 1)
    return [time.astimezone(rule.zone).strftime("%m-%d %H:%M%z") for time in times]


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
zones = st.sampled_from(ZONES)
