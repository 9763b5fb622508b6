"""Format values for the pages of the admin and of the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_q.brokers.terms import DELAYED, LEASED, WAITING
from django_q.text.representation import (
    LiteralRepr,
    cut_end,
    repr_error,
    represent,
    represent_lines,
)
from django_q.unfinished.progress import progress_share, progress_text
from django_q.unfinished.task import RUNNING, UnfinishedTask

#: The states of unfinished tasks, for people.
STATE_TEXTS = {
    WAITING: gettext_lazy("Waiting"),
    DELAYED: pgettext_lazy("state of a task", "Delayed"),
    LEASED: gettext_lazy("Leased"),
    RUNNING: pgettext_lazy("state of a task", "Running"),
}


def value_block(value: Any) -> SafeString:
    """Show a value as people write it in Python, a text as it is."""
    return format_html('<pre class="django-q-value">{}</pre>', written_value(value))


def written_value(value: Any) -> str:
    """Write a value over as many lines as it needs, or why it can not be shown."""
    if error := repr_error(value):
        return _("A %(type)s that can not be shown: %(error)r") % {
            "type": type(value).__name__,
            "error": LiteralRepr(represent(error, 1000)),
        }
    return represent_lines(value)


def single_line(value: Any, length: int = 200) -> str:
    """Show a value in a line, a text as it is, and nothing for None."""
    if issubclass(type(value), str):
        return cut_end(str.__str__(value), length)
    return "" if value is None else represent(value, length)


def wrapping_path(dotted: Any) -> SafeString:
    """Show a dotted path so that it may wrap behind a dot or an underscore."""
    return wrapping(re.findall(r"[^._]*[._]*", single_line(dotted, 1000) or "-"))


def wrapping_class(path: str) -> SafeString:
    """Show the path or name of a class so that it may wrap behind a dot and before a capital."""
    return wrapping(re.split(r"(?<=[.])|(?<=[a-z])(?=[A-Z])", path))


def wrapping(parts: Iterable[str]) -> SafeString:
    """Show parts of a text that may wrap between them."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts if part))


def class_name(path: str | None) -> SafeString | str:
    """Show the bare name of a class whose dotted path is given, with the path as a hint."""
    if not path:
        return "-"
    name = wrapping_class(path.rpartition(".")[2])
    return format_html('<span title="{}">{}</span>', path, name)


def time_element(time: datetime | None) -> SafeString | str:
    """Show a time to the second, in the current time zone; its date may be on a line above."""
    if time is None:
        return "-"
    local = timezone.template_localtime(time)
    date, clock = formats.date_format(local, "DATE_FORMAT"), local.strftime("%H:%M:%S")
    return format_html(
        '<time class="django-q-time" datetime="{}"><span>{}</span> <span>{}</span></time>',
        local.isoformat(),
        date,
        clock,
    )


def near_time(time: datetime) -> str:
    """Write a time to the second, in the current time zone; the date unless it is today."""
    local = timezone.template_localtime(time)
    clock = local.strftime("%H:%M:%S")
    is_today = local.date() == timezone.template_localtime(timezone.now()).date()
    if is_today:
        return clock
    date = formats.date_format(local, "DATE_FORMAT").replace(" ", "\N{NO-BREAK SPACE}")
    return f"{date} {clock}"


def duration(seconds: float) -> str:
    """Write a time span with the two units that matter."""
    if seconds < 60:
        return _("%(seconds)s s") % {"seconds": f"{seconds:.{3 if seconds < 1 else 1}f}"}
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds}
    hours, minutes = divmod(minutes, 60)
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}


def coarse_duration(seconds: float) -> str:
    """Write a time span with the one or two units that matter, without seconds from a minute on.

    So a page that is polled stays the same for a while.
    """
    minutes = int(seconds) // 60
    if minutes < 1:
        return _("%(seconds)s s") % {"seconds": max(int(seconds), 0)}
    if minutes < 60:
        return _("%(minutes)d min") % {"minutes": minutes}
    if minutes < 24 * 60:
        return _("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}
    hours = minutes // 60
    return _("%(days)d d %(hours)d h") % {"days": hours // 24, "hours": hours % 24}


def badge(kind: str, text: Any, hint: str = "") -> SafeString:
    """Show a state; ``kind`` is good, bad, busy or quiet."""
    return format_html(
        '<span class="django-q-badge django-q-{}" title="{}">{}</span>', kind, hint, text
    )


def state_cell(state: str, until: datetime | None, expires: datetime | None) -> SafeString:
    """Show the state of an unfinished task, until when it is in it, and when it expires."""
    kind = "quiet" if state in (WAITING, DELAYED) else "busy"
    lines = [badge(kind, STATE_TEXTS[state])]
    if until is not None and state != WAITING:
        lines.append(_("until %(time)s") % {"time": near_time(until)})
    if expires is not None:
        lines.append(_("expires %(time)s") % {"time": near_time(expires)})
    return format_html_join("", "<div>{}</div>", ((line,) for line in lines))


def progress_cell(done: float | None, total: float | None, note: str) -> SafeString:
    """Show how far a task is, with a bar where it says of how much, and what it says of that."""
    text, share = progress_text(done, total), progress_share(done, total)
    lines = [
        text and _("%(number)s done") % {"number": text} if share is None else text,
        single_line(note, 1000),
    ]
    told = format_html_join("", "<div>{}</div>", ((line,) for line in lines if line))
    if share is None:
        return told
    bar = '<progress class="django-q-progress" max="1" value="{}"></progress>{}'
    return format_html(bar, f"{share:.3f}", told)


def attempts_cell(task: UnfinishedTask) -> SafeString | str:
    """Show how many attempts of an unfinished task were made, of how many, and how each ended."""
    text = str(task.attempt)
    if task.retries is not None:
        begun = task.ended_count + (task.state == RUNNING)
        text = attempts_of_all(begun, task.retries)
    if not task.ends:
        return text
    ends = attempt_list(task.ends)
    return format_html("<details><summary>{}</summary>{}</details>", text, ends)


def attempts_of_all(number: int, retries: int) -> str:
    """Write how many attempts were made, of how many that there may be."""
    return _("%(number)d of %(all)d") % {"number": number, "all": retries + 1}


def attempt_list(ends: Any) -> SafeString:
    """Show how attempts have ended: when, in which worker, by what, with its text."""
    ends = [end for end in ends if isinstance(end, dict)] if isinstance(ends, (list, tuple)) else []
    return format_html(
        '<ol class="django-q-attempts">{}</ol>',
        format_html_join("", "<li>{}</li>", ((attempt_end(end),) for end in ends)),
    )


def attempt_end(end: Mapping[str, Any]) -> SafeString:
    """Show how one attempt has ended."""
    exception, text = single_line(end.get("exception")), end.get("text")
    mark = badge("bad", class_name(exception)) if exception else badge("good", "OK")
    number = single_line(end.get("attempt"))
    number = number and _("attempt %(number)s") % {"number": number}
    facts = (end_time(end.get("time")), single_line(end.get("worker")), number)
    head = format_html_join(" · ", "{}", ((fact,) for fact in facts if fact))
    shown = value_block(text) if isinstance(text, str) and text else ""
    return format_html("<div>{} {}</div>{}", mark, head, shown)


def end_time(text: Any) -> SafeString | str:
    """Show when an attempt ended, which is kept as ISO 8601."""
    try:
        time = parse_datetime(text)
    except (TypeError, ValueError):
        time = None
    return single_line(text) if time is None else time_element(time)
