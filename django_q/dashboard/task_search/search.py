"""A page of the tasks that a search finds: what is found, and how much was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.utils.translation import gettext as _

from django_q.conf import logger
from django_q.dashboard.task_search.fields import SearchError
from django_q.dashboard.task_search.finished import (
    Position,
    finished_tasks,
    read_columns,
    read_position,
)
from django_q.dashboard.task_search.language import Query
from django_q.dashboard.task_search.listed_task import FAILED_STATES, SUCCEEDED, ListedTask
from django_q.dashboard.task_search.unfinished import unfinished_tasks
from django_q.text.error_text import error_summary
from django_q.unfinished.task import RUNNING, UNFINISHED_STATES

#: Tasks on a page; those of them that have not ended, where others are asked for as well.
PAGE_TASKS, MAX_UNFINISHED_TASKS = 50, 20
#: Tasks that are looked at for a page: those that have ended, and those in queues.
MAX_LOOKED, MAX_LOOKED_IN_QUEUES = 10_000, 1_000
#: What a cursor begins with: that of tasks that have not ended, and of those that have.
UNFINISHED_MARK, FINISHED_MARK = "u:", "f:"


@dataclass
class SearchPage:
    """What a search has found."""

    query: Query
    tasks: list[ListedTask] = field(default_factory=list)
    #: Where the next page begins; empty where there is nothing more.
    next: str = ""
    #: How many tasks that have ended were looked at, and back to when; 0 if an index found all.
    looked: int = 0
    looked_back_to: datetime | None = None
    looked_in_queues: int = 0
    #: Whether there are tasks that were not looked at.
    has_more_finished: bool = False
    #: Whether more tasks that have not ended may be found than the page shows.
    has_more_unfinished: bool = False
    errors: list[str] = field(default_factory=list)


def search(query: Query, after: str, columns: frozenset[str] = frozenset()) -> SearchPage:
    """Find a page of tasks; ``after`` is the ``next`` of the page before.

    ``columns`` are those of ``Task`` that the page shows beyond those of the list. Raises
    ``SearchError`` for any other ``after``.
    """
    page = SearchPage(query)
    begins_with_unfinished = not after or after.startswith(UNFINISHED_MARK)
    if begins_with_unfinished and query.states & {*UNFINISHED_STATES}:
        add_unfinished(page, after.removeprefix(UNFINISHED_MARK))
    if query.states & {SUCCEEDED, *FAILED_STATES}:
        add_finished(page, after)
    read_columns(page.tasks, columns - query.columns)
    return page


def add_unfinished(page: SearchPage, behind: str) -> None:
    """Add the tasks that have not ended, or say that the broker does not answer."""
    is_alone = page.query.is_for_unfinished
    limit = PAGE_TASKS if is_alone else MAX_UNFINISHED_TASKS
    last = ""
    try:
        for cursor, task in unfinished_tasks(page.query, behind):
            is_full = len(page.tasks) >= limit and not (is_alone and task.state == RUNNING)
            if is_full or page.looked_in_queues == MAX_LOOKED_IN_QUEUES:
                page.has_more_unfinished = True
                break
            page.looked_in_queues += 1
            if page.query.matches(task):
                page.tasks.append(task)
            last = cursor
    except Exception as error:  # the broker's
        logger.warning("the queues can not be listed: %s", error_summary(error))
        logger.debug("where that was raised", exc_info=True)
        text = _("The queues can not be read: %(error)s")
        page.errors.append(text % {"error": error_summary(error)})
        return
    if is_alone and page.has_more_unfinished:
        page.next = f"{UNFINISHED_MARK}{last}"


def add_finished(page: SearchPage, after: str) -> None:
    """Add tasks that have ended, until the page is full or enough were looked at."""
    behind = read_position(after.removeprefix(FINISHED_MARK)) if after else None
    if after and behind is None:
        raise SearchError(_("'after' must be that of a link to a next page"))
    wanted = len(page.tasks) + PAGE_TASKS
    tasks = finished_tasks(page.query, behind)
    for task in islice(tasks, MAX_LOOKED):
        if len(page.tasks) == wanted:
            page.next = f"{FINISHED_MARK}{behind}"
            return
        page.looked += 1
        behind = Position(task.when, task.id)
        if page.query.matches(task):
            page.tasks.append(task)
    page.looked_back_to = behind and behind.stopped
    page.has_more_finished = page.looked == MAX_LOOKED and next(tasks, None) is not None
    if page.has_more_finished:
        page.next = f"{FINISHED_MARK}{behind}"
