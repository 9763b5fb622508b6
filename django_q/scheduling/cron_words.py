"""Say a cron expression in words, with the package cron-descriptor where it is installed."""

from __future__ import annotations

import calendar
import re
from functools import cache, lru_cache
from types import ModuleType

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import get_language, override

from django_q.foreign_code.optional_packages import optional

#: The locales of the package, by language of the admin.
LOCALES = {
    "de": "de_DE",
    "es": "es_ES",
    "fr": "fr_FR",
    "ja": "ja_JP",
    "nl": "nl_NL",
    "pt-br": "pt_PT",
    "ru": "ru_RU",
    "tr": "tr_TR",
    "zh-hans": "zh_CN",
}
DEFAULT_LOCALE = "en_US"
#: The short forms that croniter knows.
SHORT_FORMS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: The package writes names of days and months in the language of the process.
DAY_AND_MONTH_NAMES = {
    **{calendar.day_name[number]: name for number, name in WEEKDAYS.items()},
    **{calendar.month_name[number]: name for number, name in MONTHS.items()},
}
NAME_PATTERN = re.compile(rf"\b({'|'.join(DAY_AND_MONTH_NAMES)})\b")


def cron_words(expression: str | None, language: str | None = None) -> str:
    """Return the words for an expression in a language; by default the active one.

    Empty where the package is not installed, or has no words for it.
    """
    if not expression or not expression.strip():
        return ""
    code = (language or get_language() or "").lower()
    locale = LOCALES.get(code) or LOCALES.get(code.partition("-")[0]) or DEFAULT_LOCALE
    words = words_in(expression, locale)
    if locale == DEFAULT_LOCALE:
        return words
    with override(code):
        return NAME_PATTERN.sub(lambda found: str(DAY_AND_MONTH_NAMES[found[0]]), words)


@cache
def descriptor() -> ModuleType | None:
    """Import the package; not when this module is imported, as only the admin needs it."""
    return optional("cron_descriptor")


@lru_cache(maxsize=256)
def words_in(expression: str, locale: str) -> str:
    """Return the words of the package for an expression; empty where it has none."""
    package = descriptor()
    if package is None:
        return ""
    try:
        options = package.Options(locale_code=locale, use_24hour_time_format=True)
        return str(package.get_description(as_descriptor_reads(expression), options))
    except Exception:  # it raises errors of several kinds for what only croniter reads
        return ""


def as_descriptor_reads(expression: str) -> str:
    """Move the seconds to the front, where the package expects them: croniter has them behind."""
    parts = SHORT_FORMS.get(expression.strip().lower(), expression).split()
    if len(parts) > 5:
        parts = [parts[5], *parts[:5], *parts[6:]]
    return " ".join(parts)
