"""The words for types of schedules, such as "daily" and "bi-weekly", and their codes."""

from __future__ import annotations

from typing import Any

from django_q import recurrence

#: Codes of types by word, in lower case without hyphens: the names of the constants, and the codes.
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
    """Return the code of a type for a word such as "bi-weekly"; return other values unchanged."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower().replace("-", "").replace("_", "")
    return SCHEDULE_TYPE_WORDS.get(word, value)
