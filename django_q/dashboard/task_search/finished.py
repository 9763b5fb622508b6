"""Walks of the tasks that have ended, newest first, along an index of the database.

The index finds what the search asks for exactly; all else is compared here, row by row. So each
database answers alike, and a page costs as many rows as are looked at, however large the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Case, CharField, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Length, Substr
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from django_q.dashboard.task_search.language import Query
from django_q.dashboard.task_search.listed_task import (
    FAILED,
    FAILED_STATES,
    STATES_BY_EXCEPTION,
    SUCCEEDED,
    ListedTask,
)
from django_q.dashboard.task_search.stored_text import MAX_BEGINNING_LENGTH, MAX_SEARCHED_LENGTH
from django_q.models import Task
from django_q.models.schedule_fields.due_times import aware_utc, database_time
from django_q.models.task import HAS_ENDED, clipped, with_outcome

#: Rows that are read at a time: at first, and at most.
FIRST_CHUNK_ROWS, MAX_CHUNK_ROWS = 100, 1000
#: Columns that each walk reads.
LISTED_COLUMNS = ("id", "name", "func", "group", "cluster", "worker", "started", "stopped",
                  "begun", "success", "exception", "fingerprint", "attempt_count")  # fmt: skip
WRITTEN_POSITION = re.compile(r"([^/]+)/(.+)", re.DOTALL)


class Position(NamedTuple):
    """Where a walk goes on: behind the row of this time and id."""

    stopped: datetime
    task_id: str

    def __str__(self) -> str:
        return f"{self.stopped.isoformat()}/{self.task_id}"


def read_position(text: str) -> Position | None:
    """Read a position that was written; None where it is none."""
    match = WRITTEN_POSITION.fullmatch(text)
    try:
        stopped = parse_datetime(match[1]) if match else None
    except ValueError:
        return None
    # Times of the database have a zone, or have none.
    if stopped is None or is_naive(stopped) == settings.USE_TZ:
        return None
    return Position(aware_utc(stopped) if settings.USE_TZ else stopped, match[2])


def beginning(column: str, length: int) -> Substr:
    """Select the first characters of a column as it is stored."""
    return Substr(Cast(F(column), TextField()), 1, length, output_field=CharField())


def if_small(column: str, length: int) -> Case:
    """Select a column as it is stored where it is no longer than that, else None."""
    text = Cast(F(column), TextField())
    fits = When(Q(**{f"{column}_length__lte": length}), then=text)
    return Case(fits, default=Value(None), output_field=CharField())


def with_columns(rows: QuerySet, columns: frozenset[str]) -> tuple[QuerySet, list[str]]:
    """Select the listed columns, then of the result and the arguments what is searched of them.

    Returns the names of the latter, too.
    """
    extra: dict[str, Any] = {}
    if "result" in columns:
        extra["stored_result"] = beginning("result", MAX_BEGINNING_LENGTH)
    for name in sorted(columns - {"result"}):
        length = {f"{name}_length": Length(Cast(F(name), TextField()))}
        rows = rows.annotate(**length)
        extra[f"stored_{name}"] = if_small(name, MAX_SEARCHED_LENGTH)
    return rows.annotate(**extra).values_list(*LISTED_COLUMNS, *extra), [*extra]


def walks_for(query: Query) -> list[QuerySet]:
    """Return the rows that an index finds for a search, in as many parts as there are walks."""
    rows = Task.objects.filter(HAS_ENDED)
    if begin := query.moment("since"):
        rows = rows.filter(stopped__gte=database_time(begin))
    if end := query.moment("until"):
        rows = rows.filter(stopped__lte=database_time(end))
    if task_id := query.task_id:
        return [rows.filter(pk=task_id)]
    if kind := query.exact("kind"):
        return [rows.filter(fingerprint=kind)]
    if group := query.exact("group"):
        return [rows.filter(group=clipped(group, "group"))]
    outcomes = [True] if SUCCEEDED in query.states else []
    outcomes += [False] if query.states & {*FAILED_STATES} else []
    return [with_outcome(rows, success=outcome) for outcome in outcomes]


def finished_tasks(query: Query, behind: Position | None) -> Iterator[ListedTask]:
    """Yield the tasks that an index finds for a search, the newest first."""
    walks = [walk(rows, behind, query.columns) for rows in walks_for(query)]
    return merge(*walks, key=lambda task: (task.when, task.id), reverse=True)


def walk(rows: QuerySet, behind: Position | None, columns: frozenset[str]) -> Iterator[ListedTask]:
    """Yield tasks in the order of when they ended, the newest first."""
    selected, extra = with_columns(rows.order_by("-stopped", "-pk"), columns)
    size = FIRST_CHUNK_ROWS
    while True:
        chunk = list(behind_position(selected, behind)[:size])
        for values in chunk:
            yield listed(values, extra)
        if len(chunk) < size:
            return
        size = min(size * 2, MAX_CHUNK_ROWS)
        last = dict(zip(LISTED_COLUMNS, chunk[-1], strict=False))
        behind = Position(last["stopped"], last["id"])


def behind_position(rows: QuerySet, behind: Position | None) -> QuerySet:
    """Keep the rows behind a position, so that an index begins there."""
    if behind is None:
        return rows
    stopped, task_id = behind
    return rows.filter(Q(stopped__lt=stopped) | Q(pk__lt=task_id), stopped__lte=stopped)


def listed(values: tuple[Any, ...], extra: list[str]) -> ListedTask:
    """Describe a task by what was read of its row."""
    row = dict(zip((*LISTED_COLUMNS, *extra), values, strict=True))
    begun, exception = row["begun"], row["exception"] or ""
    state = SUCCEEDED if row["success"] else STATES_BY_EXCEPTION.get(exception, FAILED)
    return ListedTask(
        id=row["id"],
        name=row["name"],
        func=row["func"],
        group=row["group"] or "",
        queue=row["cluster"] or "",
        state=state,
        when=row["stopped"],
        enqueued=row["started"],
        worker=row["worker"] or "",
        seconds=(row["stopped"] - begun).total_seconds() if begun else None,
        attempt=row["attempt_count"],
        exception=exception,
        kind=row["fingerprint"] or "",
        **{name: row[name] for name in extra},
    )


def read_columns(tasks: list[ListedTask], columns: frozenset[str]) -> None:
    """Read more columns of some tasks that have ended, by their ids."""
    by_id = {task.id: task for task in tasks if not task.is_unfinished}
    if not by_id or not columns:
        return
    selected, extra = with_columns(Task.objects.filter(pk__in=by_id).order_by(), columns)
    for values in selected:
        for name, value in zip(extra, values[len(LISTED_COLUMNS) :], strict=True):
            setattr(by_id[values[0]], name, value)
