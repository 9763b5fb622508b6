"""The fields of the search language: what each compares, and how it is answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.dashboard.task_search.listed_task import ALL_STATES, UNFINISHED, ListedTask
from django_q.dashboard.task_search.patterns import (
    exact_matcher,
    name_matcher,
    text_matcher,
    word_matcher,
)
from django_q.exceptions import PackageError
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.unfinished.reading import normal_id

#: Returns whether a task is what a term asks for.
TaskMatcher = Callable[[ListedTask], object]
AGE = re.compile(r"(\d{1,6})\s*([smhdw])", re.IGNORECASE)
AGE_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SearchError(PackageError):
    """Raised when a search can not be understood."""


@dataclass(frozen=True)
class Field:
    """A field: ``make`` gives the matcher of a value, at a time. Raises ``SearchError``."""

    make: Callable[[str, datetime], TaskMatcher]
    example: str
    #: What it compares, and with how many tasks.
    text: Any
    #: Columns of ``Task`` beyond those of the list that it reads.
    columns: frozenset[str] = frozenset()


def by_name(attribute: str, matcher: Callable = name_matcher) -> Callable:
    """Compare an attribute of a task with a pattern."""

    def make(value: str, now: datetime) -> TaskMatcher:
        matches = matcher(value)
        return lambda task: matches(getattr(task, attribute))

    return make


def by_id(value: str, now: datetime) -> TaskMatcher:
    """Compare the id, which may be written as a UUID."""
    task_id = normal_id(value)
    return lambda task: task.id == task_id


def by_state(value: str, now: datetime) -> TaskMatcher:
    """Compare the state."""
    name = value.lower()
    if name == UNFINISHED:
        return lambda task: task.is_unfinished
    if name not in ALL_STATES:
        known = (*ALL_STATES, UNFINISHED)
        text = _("unknown state '%(value)s': expected %(names)s%(hint)s")
        values = {"value": value, "names": ", ".join(known), "hint": did_you_mean(name, known)}
        raise SearchError(text % values)
    return lambda task: task.state == name


def by_error(value: str, now: datetime) -> TaskMatcher:
    """Compare the class of the exception, and how its text begins."""
    in_class, in_text = name_matcher(value), text_matcher(value)
    return lambda task: (task.exception and in_class(task.exception)) or in_text(task.error)


def since(value: str, now: datetime) -> TaskMatcher:
    """Compare when it came into its state."""
    begin = moment_of(value, now)
    return lambda task: task.when is not None and aware_utc(task.when) >= begin


def until(value: str, now: datetime) -> TaskMatcher:
    """Compare when it came into its state."""
    end = moment_of(value, now)
    return lambda task: task.when is not None and aware_utc(task.when) <= end


def moment_of(value: str, now: datetime) -> datetime:
    """Read a time: an age such as ``1h``, a date, or both a date and a time. In UTC."""
    try:
        if match := AGE.fullmatch(value):
            return aware_utc(now) - timedelta(**{AGE_UNITS[match[2].lower()]: int(match[1])})
        moment = parse_datetime(value)
        if moment is None and (day := parse_date(value)):
            moment = datetime.combine(day, time())
    except (ValueError, OverflowError):  # a day that no month has, or an age of ages
        moment = None
    if moment is None:
        text = _("unknown time '%(value)s': expected 30m, 1h, 2d, 2026-01-31 or 2026-01-31T12:00")
        raise SearchError(text % {"value": value})
    return aware_utc(moment)


def by_words(value: str, now: datetime) -> TaskMatcher:
    """Compare all that a list shows of a task."""
    matches = text_matcher(value)

    def is_in_any(task: ListedTask) -> object:
        texts = (task.name, task.func, task.id, task.group, task.queue, task.exception)
        return any(map(matches, texts)) or matches(task.error) or matches(task.arguments)

    return is_in_any


RESULT_COLUMNS, CALL_COLUMNS = frozenset({"result"}), frozenset({"args", "kwargs"})
BY_INDEX = gettext_lazy("answered by an index")
COMPARED = gettext_lazy("compared with the newest 10,000")
#: By their names.
FIELDS = {
    "func": Field(by_name("func"), "func:mail*", COMPARED),
    "name": Field(by_name("name"), "name:nightly", COMPARED),
    "error": Field(by_error, "error:Timeout", COMPARED, RESULT_COLUMNS),
    "state": Field(by_state, "state:running", BY_INDEX),
    "group": Field(by_name("group", exact_matcher), "group:invoices", BY_INDEX),
    "queue": Field(by_name("queue", exact_matcher), "queue:mail", COMPARED),
    "worker": Field(by_name("worker"), "worker:web-3", COMPARED),
    "args": Field(by_name("arguments", word_matcher), "args:42", COMPARED, CALL_COLUMNS),
    "id": Field(by_id, "id:9f2c…", BY_INDEX),
    "kind": Field(by_name("kind", exact_matcher), "kind:5b1a…", BY_INDEX),
    "since": Field(since, "since:1h", BY_INDEX),
    "until": Field(until, "until:2026-01-31", BY_INDEX),
}
#: Bare words.
WORDS = Field(by_words, "ConnectionError", COMPARED, RESULT_COLUMNS | CALL_COLUMNS)
#: Other names of fields.
ALIASES = {"function": "func", "task": "name", "exception": "error", "cluster": "queue",
           "host": "worker", "arg": "args", "kwargs": "args", "fingerprint": "kind",
           "before": "until", "after": "since"}  # fmt: skip


def find_field(name: str) -> tuple[str, Field]:
    """Find a field by its name or another one of it. Raises ``SearchError``."""
    known = ALIASES.get(name.lower(), name.lower())
    if known not in FIELDS:
        hint = did_you_mean(known, (*FIELDS, *ALIASES))
        text = _("unknown field '%(name)s'%(hint)s") % {"name": name, "hint": hint}
        raise SearchError(text)
    return known, FIELDS[known]


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """Name what is most like a name that is unknown."""
    found = get_close_matches(name, known, n=1, cutoff=0.5)
    return _(": did you mean %(name)s?") % {"name": found[0]} if found else ""
