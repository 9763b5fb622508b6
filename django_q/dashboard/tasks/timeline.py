"""What has happened to a task, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from django_q.dashboard.display import class_name, duration, end_time, single_line, time_element
from django_q.dashboard.tasks.columns import STATE_LOOKS, TASK_STATE_TEXTS
from django_q.dashboard.tasks.found_task import FoundTask
from django_q.unfinished.task import RUNNING


@dataclass(frozen=True)
class Event:
    """Something that has happened to a task."""

    #: The time for people, and what has happened.
    time: Any
    title: Any
    #: What it looks like: good, bad, busy or quiet.
    look: str = "quiet"
    #: Where, or how long it took; what it said.
    details: str = ""
    text: str = ""


def timeline(found: FoundTask) -> Iterator[Event]:
    """Yield what has happened to a task."""
    task = found.listed
    if task.enqueued:
        yield Event(time_element(task.enqueued), _("Enqueued"), details=task.queue)
    last = is_last_end(found)
    for end in found.ends[: len(found.ends) - last]:
        if isinstance(end, Mapping):
            yield attempt_ended(end)
    if found.cancelled:
        yield Event("", _("Cancelled"), "bad", single_line(found.cancelled))
    if task.is_unfinished:
        yield present(found)
        return
    took = [task.worker] if task.seconds is None else [task.worker, duration(task.seconds)]
    if last and isinstance(found.ends[-1], Mapping):
        took.append(attempt_number(found.ends[-1]))
    yield Event(
        time_element(task.when),
        TASK_STATE_TEXTS[task.state],
        STATE_LOOKS[task.state],
        " · ".join(filter(None, took)),
        single_line(task.exception),
    )


def is_last_end(found: FoundTask) -> bool:
    """Return True if the last end in the history of a task is that which its row tells."""
    if found.listed.is_unfinished or not found.ends:
        return False
    end = found.ends[-1]
    moment = end_moment(end.get("time")) if isinstance(end, Mapping) else None
    return moment is not None and moment == found.listed.when


def end_moment(text: Any) -> datetime | None:
    """Read the time of an end; None where it is none."""
    try:
        return parse_datetime(text)
    except (TypeError, ValueError):
        return None


def attempt_ended(end: Mapping[str, Any]) -> Event:
    """Tell how an attempt has ended that was not the last."""
    exception, text = single_line(end.get("exception")), end.get("text")
    number = single_line(end.get("attempt"))
    facts = (
        single_line(end.get("worker")),
        number and _("attempt %(number)s") % {"number": number},
    )
    return Event(
        end_time(end.get("time")),
        class_name(exception) if exception else "OK",
        "bad" if exception else "good",
        " · ".join(filter(None, facts)),
        text if isinstance(text, str) else "",
    )


def attempt_number(end: Mapping[str, Any]) -> str:
    """Tell which attempt an end is that of."""
    number = single_line(end.get("attempt"))
    return number and _("attempt %(number)s") % {"number": number}


def present(found: FoundTask) -> Event:
    """Tell what a task does that has not ended."""
    task = found.listed
    look = "busy" if task.state == RUNNING else "quiet"
    since = "" if task.when == task.enqueued else time_element(task.when)
    return Event(since, TASK_STATE_TEXTS[task.state], look, task.worker)
