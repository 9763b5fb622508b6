"""When a schedule runs next, and its cron expression in words: on its page, and while one types."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_q.models import Schedule
from django_q.scheduling.cron_words import cron_words
from django_q.scheduling.rule_times import coming_times
from django_q.text.error_text import short_error_text

#: How many of the next due times are shown.
SHOWN_TIMES = 5


class Preview(NamedTuple):
    """What is shown of a rule."""

    words: str
    #: The next due times, by the clock of the schedule.
    times: list[str]
    #: Why there are none.
    error: str


def preview_of(schedule: Schedule) -> Preview:
    """Make the preview of a schedule, saved or not, in the active language."""
    words = cron_words(schedule.cron) if schedule.schedule_type == Schedule.CRON else ""
    try:
        zone = schedule.zone
        times = [shown_time(time.astimezone(zone)) for time in coming_times(schedule, SHOWN_TIMES)]
    except (ValueError, ArithmeticError) as error:  # RecurrenceError is one
        return Preview("", [], short_error_text(error))
    return Preview(words, times, "" if times else _("It does not run again."))


def shown_time(time: datetime) -> str:
    """Write a time with its weekday and the abbreviation of its zone."""
    clock = f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
    return f"{date_format(time, 'D')} {date_format(time, 'DATE_FORMAT')}, {clock} {time:%Z}"


def schedule_of(values: QueryDict) -> Schedule:
    """Make a schedule of what stands in the fields of its form; nothing is saved."""
    schedule = Schedule(
        schedule_type=values.get("schedule_type", ""),
        cron=values.get("cron", "").strip()[:200],
        time_zone=values.get("time_zone", "")[:100] or None,
        minutes=whole_number(values.get("minutes")),
        repeats=-1,
    )
    if (repeats := whole_number(values.get("repeats"))) is not None:
        schedule.repeats = repeats
    with suppress(ValidationError):
        given = [values.get("next_run_0", ""), values.get("next_run_1", "")]
        schedule.next_run = forms.SplitDateTimeField(required=False).clean(given)
    return schedule


def whole_number(text: str | None) -> int | None:
    """Read a number of a form; None where there is none."""
    try:
        return int(text or "")
    except ValueError:
        return None


def preview_element(preview: Preview | None, address: str) -> SafeString:
    """Write a preview; the script of the form puts other ones in its place."""
    words, times, error = preview or Preview("", [], "")
    listed: Any = format_html_join("", "<li>{}</li>", ((time,) for time in times))
    return format_html(
        '<div class="django-q-preview" data-url="{}" aria-live="polite">'
        '<p class="django-q-words">{}</p><ol>{}</ol><p class="django-q-none">{}</p></div>',
        address,
        words,
        listed,
        error,
    )
