"""All that is known of one task, whatever its state: from its row, its queue and heartbeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from django.db.models import F, TextField
from django.db.models.functions import Cast, Length

from django_q.brokers.terms import DELAYED, WAITING, QueuedTask
from django_q.dashboard.hidden_values import keywords_with_dots, positional_with_dots, with_dots
from django_q.dashboard.task_search.finished import LISTED_COLUMNS, beginning, listed
from django_q.dashboard.task_search.language import Query
from django_q.dashboard.task_search.listed_task import FAILED_STATES, ListedTask
from django_q.dashboard.task_search.stored_text import beginning_of_text
from django_q.dashboard.task_search.unfinished import (
    listed_queued,
    queued_tasks,
    running_tasks,
)
from django_q.models import Task, pickle_preview
from django_q.unfinished.reading import broker_for, fetch_unfinished, find_queued, normal_id
from django_q.unfinished.task import UnfinishedTask

#: Columns beyond those of the list.
MORE_COLUMNS = ("hook", "options", "attempts", "rerun_at")
#: Columns of values, and the characters up to which they are shown.
VALUE_COLUMNS = ("args", "kwargs", "result")
#: What hides secrets in those that belong to the parameters of a function.
SHOWN_BY_COLUMN = {"args": positional_with_dots, "kwargs": keywords_with_dots}
MAX_VALUE_CHARACTERS = 200_000
#: Tasks of a queue among which a plain one is looked for: no broker finds it by its id.
MAX_LOOKED_BY_ID = 1000


@dataclass
class StoredValue:
    """A stored value for people: its preview, or how large it is where that is too large."""

    value: Any = None
    length: int = 0
    is_known: bool = False

    @property
    def is_too_large(self) -> bool:
        """Whether there is no preview for the sake of its length."""
        return self.length > MAX_VALUE_CHARACTERS


@dataclass
class FoundTask:
    """A task and all that is known of it."""

    listed: ListedTask
    args: StoredValue = field(default_factory=StoredValue)
    kwargs: StoredValue = field(default_factory=StoredValue)
    result: StoredValue = field(default_factory=StoredValue)
    #: Of a failure: its text, from the beginning on.
    error: str = ""
    hook: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How its attempts have ended, as in ``Task.attempts``.
    ends: Sequence[Any] = ()
    #: How often it is run again after an end; None where its call does not say it.
    retries: int | None = None
    cancelled: str = ""
    priority: int | None = None
    expires: Any = None
    #: The package of one that has not ended, previewed.
    package: Mapping[str, Any] = field(default_factory=dict)


def find_task(task_id: str, queue: str | None) -> FoundTask | None:
    """Find a task by its id; ``queue`` is where it is looked for if it has not ended."""
    task_id = normal_id(task_id)
    found = finished_task(task_id)
    if found is not None:
        return found
    return unfinished_task(task_id, queue or None) or finished_task(task_id)


def finished_task(task_id: str) -> FoundTask | None:
    """Find a task that has ended, and is not run again since."""
    rows = Task.objects.filter(pk=task_id).order_by()
    for name in VALUE_COLUMNS:
        length = Length(Cast(F(name), TextField()))
        stored = beginning(name, MAX_VALUE_CHARACTERS)
        rows = rows.annotate(**{f"{name}_length": length, f"stored_{name}": stored})
    read = [part for name in VALUE_COLUMNS for part in (f"{name}_length", f"stored_{name}")]
    row = rows.values(*LISTED_COLUMNS, *MORE_COLUMNS, *read).first()
    if row is None or (row["rerun_at"] is not None and row["rerun_at"] == row["stopped"]):
        return None
    return described_row(row)


def stored_value(row: Mapping[str, Any], name: str) -> StoredValue:
    """Preview the value of a column, unless it is too large."""
    value = StoredValue(None, row[f"{name}_length"] or 0, True)
    if not value.is_too_large:
        preview = pickle_preview.read_column(row[f"stored_{name}"])
        show = SHOWN_BY_COLUMN.get(name)
        value.value = show(row["func"], preview) if show else with_dots(preview)
    return value


def described_row(row: Mapping[str, Any]) -> FoundTask:
    """Describe a task by its row."""
    task = listed(tuple(row[name] for name in LISTED_COLUMNS), [])
    values = {name: stored_value(row, name) for name in VALUE_COLUMNS}
    options = row["options"] if isinstance(row["options"], dict) else {}
    retries = options.get("retries")
    return FoundTask(
        task,
        **values,
        error=beginning_of_text(row["stored_result"]) if task.state in FAILED_STATES else "",
        hook=row["hook"] or "",
        options=with_dots(dict(sorted(options.items()))),
        ends=row["attempts"] if isinstance(row["attempts"], list) else (),
        retries=retries if type(retries) is int else None,
    )


def unfinished_task(task_id: str, queue: str | None) -> FoundTask | None:
    """Find a task that waits, is delayed or runs."""
    broker = broker_for(queue)
    run = next((task for task in running_tasks(broker) if task.id == task_id), None)
    unfinished = fetch_unfinished(task_id, queue)
    if unfinished is None:
        plain = plain_task(task_id, queue) if queue else None
        listed_as = run or plain
        return listed_as and FoundTask(listed_as, **package_values(listed_as.payload))
    found = find_queued(task_id, broker_for(unfinished.queue))
    return described_unfinished(unfinished, run, found and found[1])


def described_unfinished(
    unfinished: UnfinishedTask, run: ListedTask | None, queued: QueuedTask | None
) -> FoundTask:
    """Describe a task that has not ended."""
    payload = queued.payload if queued else None
    task = replace(run, payload=payload) if run else listed_queued(unfinished, payload)
    return FoundTask(
        task,
        ends=unfinished.ends,
        retries=unfinished.retries,
        cancelled=unfinished.cancelled,
        priority=unfinished.priority,
        expires=unfinished.expires,
        **package_values(payload),
    )


def package_values(payload: str | bytes | None) -> dict[str, Any]:
    """Return what a payload says of its call."""
    if payload is None:
        return {}
    package = pickle_preview.read_payload(payload)
    own = {"id", "name", "func", "args", "kwargs", "group", "started", "hook", "chain"}
    func = pickle_preview.function_name(package.get("func"))
    return {
        "args": StoredValue(positional_with_dots(func, package.get("args")), is_known=True),
        "kwargs": StoredValue(keywords_with_dots(func, package.get("kwargs")), is_known=True),
        "hook": pickle_preview.function_name(package.get("hook")),
        "options": with_dots({key: package[key] for key in sorted(package.keys() - own)}),
        "package": package,
    }


def plain_task(task_id: str, queue: str) -> ListedTask | None:
    """Look for a task among the first ones of a queue."""
    query = Query(permitted=frozenset({WAITING, DELAYED}))
    tasks = islice(queued_tasks(query, broker_for(queue), queue, ""), MAX_LOOKED_BY_ID)
    return next((task for _cursor, task in tasks if task.id == task_id), None)
