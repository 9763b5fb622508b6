"""The list of all tasks, with a search."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.access import (
    VIEW_FAILURES,
    VIEW_QUEUES,
    VIEW_SUCCESSES,
    VIEW_TASKS,
    may,
    sees_values,
)
from django_q.dashboard.display import near_time
from django_q.dashboard.page import Page
from django_q.dashboard.task_search.fields import FIELDS, SearchError
from django_q.dashboard.task_search.language import parse
from django_q.dashboard.task_search.listed_task import (
    ALL_STATES,
    FAILED_STATES,
    SUCCEEDED,
    UNFINISHED,
)
from django_q.dashboard.task_search.search import MAX_LOOKED, MAX_LOOKED_IN_QUEUES, search
from django_q.dashboard.tasks.columns import (
    TASK_COLUMN_KINDS,
    TASK_STATE_TEXTS,
    cells,
    chosen_columns,
    columns_read,
    task_address,
)
from django_q.unfinished.task import UNFINISHED_STATES

#: A page that looked at no more tasks keeps itself up to date.
MAX_LIVE_LOOKED = 500
#: Permissions of which a user needs one to see tasks of some states.
PERMISSIONS_BY_STATE = {
    **dict.fromkeys(UNFINISHED_STATES, VIEW_QUEUES),
    SUCCEEDED: VIEW_SUCCESSES,
    **dict.fromkeys(FAILED_STATES, VIEW_FAILURES),
}


def permitted_states(user: Any) -> frozenset[str]:
    """Return the states of which a user may see the tasks."""
    return frozenset(state for state in ALL_STATES if may(user, PERMISSIONS_BY_STATE[state]))


class TaskListPage(Page):
    """Tasks of all states, the newest first: those that have not ended, then the others."""

    template_name = "django_q/dashboard/tasks.html"
    title = _("Tasks")
    section = "tasks"
    permissions = VIEW_TASKS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return a page of what the search finds, or what is wrong with the search."""
        text, after = request.GET.get("q", ""), request.GET.get("after", "")
        names = chosen_columns(request)
        shared = {
            "text": text,
            "fields": FIELDS,
            "columns": [
                (name, column.title, name in names) for name, column in TASK_COLUMN_KINDS.items()
            ],
            "titles": [(name, TASK_COLUMN_KINDS[name].title) for name in names],
            "states": list(self.state_links(request.user, text)),
        }
        try:
            sees = sees_values(request.user)
            query = parse(text, timezone.now(), permitted_states(request.user), sees)
            found = search(query, after, columns_read(names))
        except SearchError as error:
            return {**shared, "search_error": str(error), "is_still": True}
        pages = f"{request.resolver_match.namespace}:"
        rows = [list(cells(task, names, task_address(pages, task))) for task in found.tasks]
        looked = found.looked + found.looked_in_queues
        return {
            **shared,
            "rows": rows,
            "found": found,
            "terms": query.terms,
            "notes": list(notes(found)),
            # Not polled: each answer would cost as much as this one.
            "is_still": looked > MAX_LIVE_LOOKED,
            "next": found.next and link(q=text, after=found.next),
            "first": after and link(q=text),
            "unfinished": found.has_more_unfinished and not found.next.startswith("u:")
            and link(q=f"{text} state:{UNFINISHED}".strip()),
        }  # fmt: skip

    def state_links(self, user: Any, text: str) -> Any:
        """Yield links to the tasks of each state: address, title, and whether it is chosen."""
        chosen = {term for term in text.split() if term.startswith("state:")}
        rest = " ".join(term for term in text.split() if not term.startswith("state:"))
        yield link(q=rest), _("All"), not chosen
        for state in ALL_STATES:
            if state in permitted_states(user):
                is_chosen = f"state:{state}" in chosen
                yield link(q=f"{rest} state:{state}".strip()), TASK_STATE_TEXTS[state], is_chosen


def link(**query: str) -> str:
    """Return the address of a page of the list."""
    return "?" + urlencode({name: value for name, value in query.items() if value})


def notes(found: Any) -> Any:
    """Yield how much was looked at, where that is not all."""
    if found.has_more_finished:
        text = _("Looked at the newest %(number)d tasks, back to %(time)s.")
        yield text % {"number": MAX_LOOKED, "time": near_time(found.looked_back_to)}
    if found.looked_in_queues == MAX_LOOKED_IN_QUEUES and found.has_more_unfinished:
        yield _("Looked at %(number)d tasks of the queues.") % {"number": MAX_LOOKED_IN_QUEUES}
    yield from found.errors
