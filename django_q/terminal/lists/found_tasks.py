"""The tasks that a search finds, for ``qtasks``. Secrets are dots, as on the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from django_q.dashboard.task_search.language import parse
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.dashboard.task_search.search import MAX_LOOKED, SearchPage, search
from django_q.terminal.interactive.columns import Column
from django_q.terminal.lists.output import time_column

#: What is read of ``Task`` beside the columns of the list.
READ_COLUMNS = frozenset({"result", "args", "kwargs"})
#: Attributes of a task in JSON.
JSON_NAMES = ("id", "name", "func", "group", "queue", "state", "when", "enqueued", "worker",
              "seconds", "attempt", "exception", "kind", "error", "arguments", "done", "total",
              "note")  # fmt: skip


def why(task: ListedTask) -> str:
    """Tell in a line why a task has failed, or what it says of itself."""
    return task.error.partition(" : Traceback (most recent call last)")[0] or task.note


FOUND_TASK_COLUMNS = (
    Column("Time", lambda task: time_column(task.when)),
    Column("State", lambda task: task.state),
    Column("Name", lambda task: task.name, share=2),
    Column("Function", lambda task: task.func, share=3, keeps_end=True),
    Column("Queue", lambda task: task.queue, from_width=100),
    Column("Id", lambda task: task.id, from_width=120),
    Column("Error", why, share=3, from_width=100, is_optional=True),
)


@dataclass
class FoundTasks:
    """What a search has found."""

    tasks: list[ListedTask] = field(default_factory=list)
    #: What was not looked at, and what could not be read.
    notes: list[str] = field(default_factory=list)
    #: Whether a queue could not be read.
    has_errors: bool = False


def find_tasks(text: str, limit: int) -> FoundTasks:
    """Search for tasks, at most ``limit``: those that have not ended first, the newest first.

    Raises ``SearchError`` where the search can not be understood, and the database's errors.
    """
    query, found, after = parse(text, timezone.now()), FoundTasks(), ""
    while len(found.tasks) < limit:
        page = search(query, after, READ_COLUMNS)
        found.tasks += page.tasks
        found.notes += notes(page)
        found.has_errors |= bool(page.errors)
        after = page.next
        # Each search looks at so many tasks that have ended, and no more.
        if not after or page.looked == MAX_LOOKED:
            break
    del found.tasks[limit:]
    return found


def notes(page: SearchPage) -> Iterator[str]:
    """Yield what a page does not show."""
    if page.has_more_finished:
        yield (
            f"Looked at the newest {MAX_LOOKED} tasks that have ended, back to "
            f"{time_column(page.looked_back_to)}. 'until:' searches before."
        )
    if page.has_more_unfinished and not page.query.is_for_unfinished:
        yield "More tasks have not ended: 'state:unfinished' lists them."
    yield from page.errors


def task_as_dict(task: ListedTask) -> dict[str, Any]:
    """Turn a task into a dictionary for JSON; what is not known is None or empty."""
    return {name: getattr(task, name) for name in JSON_NAMES}
