"""The columns of the list of tasks, of which each person chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_q.dashboard.display import (
    STATE_TEXTS,
    badge,
    class_name,
    duration,
    progress_cell,
    single_line,
    time_element,
    wrapping_path,
)
from django_q.dashboard.hidden_values import HIDDEN_NOTE
from django_q.dashboard.task_search.listed_task import (
    CANCELLED_STATE,
    EXPIRED,
    FAILED,
    FAILED_STATES,
    SUCCEEDED,
    ListedTask,
)
from django_q.unfinished.task import RUNNING

#: The ids that addresses have: neither that of a package which can not be read, nor a path.
ADDRESS_ID = re.compile(r"[^*/][^/]{0,31}")
#: Characters of an error's text and of arguments that a list shows.
MAX_CELL_LENGTH = 160
#: The parameter of the address, and the key of the session, that have the chosen columns.
CHOICE_PARAMETER, CHOICE_KEY = "column", "django_q_columns"
DEFAULT_COLUMNS = ("name", "state", "when", "why", "func", "queue")
#: The states of all tasks, for people, and what their marks look like.
TASK_STATE_TEXTS = {
    **STATE_TEXTS,
    SUCCEEDED: pgettext_lazy("state of a task", "Succeeded"),
    FAILED: gettext_lazy("Failed"),
    CANCELLED_STATE: gettext_lazy("Cancelled"),
    EXPIRED: pgettext_lazy("state of a task", "Expired"),
}
STATE_LOOKS = {RUNNING: "busy", SUCCEEDED: "good", **dict.fromkeys(FAILED_STATES, "bad")}


@dataclass(frozen=True)
class Column:
    """A column: its title, what it shows of a task, and what it reads of ``Task`` for that."""

    title: Any
    cell: Callable[[ListedTask], Any]
    reads: frozenset[str] = frozenset()


def state_badge(state: str) -> SafeString:
    """Show the state of a task."""
    return badge(STATE_LOOKS.get(state, "quiet"), TASK_STATE_TEXTS[state])


def why_cell(task: ListedTask) -> SafeString | str:
    """Show why it failed, or how far it is."""
    if task.is_unfinished:
        return progress_cell(task.done, task.total, single_line(task.note))
    # The class stands before the text already.
    text = task.error.partition(" : Traceback (most recent call last)")[0].removeprefix(
        task.exception.rpartition(".")[2]
    )
    parts = (class_name(task.exception) if task.exception else "", text[:MAX_CELL_LENGTH])
    return format_html_join(" ", "{}", ((part,) for part in parts if part))


def arguments_cell(task: ListedTask) -> SafeString | str:
    """Show the arguments, or that they are hidden."""
    if task.hides_values:
        return badge("quiet", _("Hidden"), HIDDEN_NOTE)
    return single_line(task.arguments, MAX_CELL_LENGTH) or "-"


TASK_COLUMN_KINDS = {
    "name": Column(gettext_lazy("name"), lambda task: single_line(task.name) or "-"),
    "state": Column(gettext_lazy("state"), lambda task: state_badge(task.state)),
    "when": Column(gettext_lazy("when"), lambda task: time_element(task.when)),
    "why": Column(gettext_lazy("why"), why_cell, frozenset({"result"})),
    "func": Column(gettext_lazy("function"), lambda task: wrapping_path(task.func)),
    "queue": Column(gettext_lazy("queue"), lambda task: task.queue or "-"),
    "group": Column(gettext_lazy("group"), lambda task: single_line(task.group) or "-"),
    "worker": Column(gettext_lazy("worker"), lambda task: single_line(task.worker) or "-"),
    "enqueued": Column(gettext_lazy("enqueued"), lambda task: time_element(task.enqueued)),
    "took": Column(
        gettext_lazy("time taken"),
        lambda task: "-" if task.seconds is None else duration(task.seconds),
    ),
    "attempts": Column(gettext_lazy("attempts"), lambda task: str(task.attempt)),
    "args": Column(
        gettext_lazy("arguments"),
        arguments_cell,
        frozenset({"args", "kwargs"}),
    ),
    "kind": Column(gettext_lazy("fingerprint"), lambda task: task.kind[:12] or "-"),
    "id": Column(gettext_lazy("task id"), lambda task: single_line(task.id)),
}


def chosen_columns(request: HttpRequest) -> list[str]:
    """Return the names of the columns that a person has chosen, and keep a new choice.

    The name is always among them: it links to the page of the task.
    """
    given = request.GET.getlist(CHOICE_PARAMETER)
    session = getattr(request, "session", {})
    if given and given != session.get(CHOICE_KEY):
        session[CHOICE_KEY] = given
    wanted = {"name", *(given or session.get(CHOICE_KEY) or DEFAULT_COLUMNS)}
    return [name for name in TASK_COLUMN_KINDS if name in wanted]


def columns_read(names: list[str]) -> frozenset[str]:
    """Return what columns read of ``Task`` beyond what each list reads."""
    return frozenset().union(*(TASK_COLUMN_KINDS[name].reads for name in names))


def cells(task: ListedTask, names: list[str], address: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the title and the content of each cell of a task's row."""
    for name in names:
        column = TASK_COLUMN_KINDS[name]
        content = column.cell(task)
        if name == "name" and address:
            content = format_html('<a href="{}">{}</a>', address, content)
        yield name, column.title, content


def task_address(pages: str, task: ListedTask) -> str:
    """Return the address of a task's page; of one that has not ended with its queue.

    Empty for a package that can not be read, and so has no id.
    """
    if not ADDRESS_ID.fullmatch(task.id):
        return ""
    address = reverse(f"{pages}task", kwargs={"task_id": task.id})
    query = {"queue": task.queue} if task.is_unfinished and task.queue else {}
    return f"{address}?{urlencode(query)}" if query else address
