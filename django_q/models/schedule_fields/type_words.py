"""The types of schedules by the words that people use for them."""

from __future__ import annotations

from typing import Any

from django_q import recurrence

#: By word, in lower case and without hyphens: the names of the constants, and what they stand for.
SCHEDULE_TYPE_WORDS = {
    word: code
    for name, code in {
        "once": recurrence.ONCE,
        "minutes": recurrence.MINUTES,
        "hourly": recurrence.HOURLY,
        "daily": recurrence.DAILY,
        "weekly": recurrence.WEEKLY,
        "biweekly": recurrence.BIWEEKLY,
        "monthly": recurrence.MONTHLY,
        "bimonthly": recurrence.BIMONTHLY,
        "quarterly": recurrence.QUARTERLY,
        "yearly": recurrence.YEARLY,
        "cron": recurrence.CRON,
    }.items()
    for word in (name, code.lower())
}


def schedule_type(value: Any) -> Any:
    """Give the type that a word means, as "DAILY" or "bi-weekly"; what means none stays."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower().replace("-", "").replace("_", "")
    return SCHEDULE_TYPE_WORDS.get(word, value)
