"""A page of the unfinished tasks of a queue, with what Django's template of lists asks of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.contract.orders import CANCEL_ORDER, LIMIT_ORDER, PAUSE_ORDER
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueueCounts
from django_q.conf import logger
from django_q.dashboard.display import (
    STATE_TEXTS,
    attempts_cell,
    badge,
    duration,
    progress_cell,
    single_line,
    state_cell,
    time_element,
    wrapping_path,
)
from django_q.dashboard.orders import (
    CANCEL_PERMISSION,
    LIMIT_PERMISSION,
    PAUSE_PERMISSION,
    TASK_ORDERS,
    selection_value,
)
from django_q.exceptions import PackageError
from django_q.status import Stat
from django_q.task_state.cancellation import MAX_REASON_LENGTH
from django_q.text.error_text import error_summary
from django_q.unfinished.holds import hold_texts
from django_q.unfinished.queues import QueueState, queue_states
from django_q.unfinished.reading import list_unfinished, lists_tasks
from django_q.unfinished.task import (
    RUNNING,
    UNFINISHED_STATES,
    UNREADABLE_MARK,
    UnfinishedTask,
)

#: Tasks on a page.
PAGE_SIZE = 100


@dataclass
class LinkFilter:
    """A filter in the margin: links, as Django's template of filters shows them."""

    title: str
    links: list[dict[str, Any]]
    template = "admin/filter.html"

    def choices(self, changelist: Any) -> list[dict[str, Any]]:
        """Return the links."""
        return self.links


@dataclass
class QueueLine:
    """A queue in the table above the list."""

    name: str
    link: str
    is_chosen: bool
    #: Titles and texts: the numbers of tasks, and how long the oldest has waited.
    figures: list[tuple[Any, str]]
    badges: SafeString
    #: Whether it is paused, for all clusters or for one.
    is_paused: bool
    limit: int | None


class UnfinishedList:
    """What the page shows; nothing but ``errors`` where the broker does not answer.

    ``permissions`` are those of the user to give orders.
    """

    #: The titles of the columns.
    columns = {
        "name": gettext_lazy("name"),
        "state": gettext_lazy("state"),
        "func": gettext_lazy("function"),
        "group": gettext_lazy("group"),
        "since": gettext_lazy("enqueued"),
        "attempts": gettext_lazy("attempts"),
        "priority": gettext_lazy("priority"),
        "task_id": gettext_lazy("task id"),
    }
    #: Those of the table of queues.
    queue_columns = (
        gettext_lazy("Queue"),
        *(STATE_TEXTS[state] for state in (WAITING, DELAYED, LEASED, RUNNING)),
        gettext_lazy("Longest wait"),
        gettext_lazy("State"),
    )
    task_orders = TASK_ORDERS
    max_reason_length = MAX_REASON_LENGTH

    def __init__(self, opts: Any, query: QueryDict, permissions: Collection[str] = ()) -> None:
        self.opts = opts
        self.permissions = permissions
        self.queue = query.get("queue")
        self.state = query.get("state") if query.get("state") in UNFINISHED_STATES else None
        self.after = query.get("after")
        self.errors: list[str] = []
        self.facts: list[str] = []
        self.filter_specs: list[LinkFilter] = []
        self.queues: list[QueueLine] = []
        self.rows: list[dict[str, Any]] = []
        self.first_link = self.link(after=None) if self.after else ""
        self.next_link = ""
        self.can_cancel = self.can_pause = self.can_limit = False
        try:
            self.read()
        except PackageError as error:  # a parameter in the address
            self.errors.append(str(error))
        except Exception as error:  # the broker's
            logger.warning("the admin can not list a queue", exc_info=True)
            text = _("The queue can not be read: %(error)s")
            self.errors.append(text % {"error": error_summary(error)})

    def read(self) -> None:
        """Ask the broker for its queues, and for the tasks of one."""
        broker = adapt_broker(shared_broker())
        self.offer_orders(broker)
        self.queue = self.queue or queue_label(broker.list_key)
        queues = {queue.name: queue for queue in queue_states(broker, Stat.get_all(broker))}
        page = list_unfinished(self.queue, self.state, self.after, PAGE_SIZE)
        queues.setdefault(self.queue, QueueState(self.queue, QueueCounts(), True))
        self.queues = [self.queue_line(queue) for queue in queues.values()]
        self.filter_specs = [self.state_filter()]
        if not lists_tasks(broker):
            self.facts = [badge("busy", _("This broker lists no tasks but those that run"))]
        self.rows = [self.cells(task) for task in page]
        self.next_link = self.link(after=page.next) if page.next else ""

    def offer_orders(self, broker: Broker) -> None:
        """Offer the orders that the broker obeys and the user may give."""
        self.can_cancel = CANCEL_PERMISSION in self.permissions and CANCEL_ORDER in broker.obeys
        self.can_pause = PAUSE_PERMISSION in self.permissions and PAUSE_ORDER in broker.obeys
        self.can_limit = LIMIT_PERMISSION in self.permissions and LIMIT_ORDER in broker.obeys

    @property
    def has_filters(self) -> bool:
        """Whether there is anything in the margin."""
        return bool(self.filter_specs)

    @property
    def gives_orders(self) -> bool:
        """Whether there is a column of orders to queues."""
        return self.can_pause or self.can_limit

    def queue_line(self, queue: QueueState) -> QueueLine:
        """Describe a queue in the table above the list."""
        control, counts = queue.control, queue.counts
        oldest = "-" if counts.oldest is None else duration(counts.oldest)
        figures = [*map(number, (*counts[:3], queue.running)), oldest]
        return QueueLine(
            name=queue.name,
            link=self.link(queue=queue.name, after=None),
            is_chosen=queue.name == self.queue,
            figures=list(zip(self.queue_columns[1:6], figures, strict=True)),
            badges=format_html_join(" ", "{}", ((each,) for each in queue_badges(queue))),
            is_paused=control.is_paused or bool(control.paused_clusters),
            limit=control.limit,
        )

    def state_filter(self) -> LinkFilter:
        """Offer the states, and all of them."""
        links = [self.choice(_("All"), self.state is None, state=None)]
        for state in UNFINISHED_STATES:
            links.append(self.choice(STATE_TEXTS[state], self.state == state, state=state))
        return LinkFilter(_("state"), links)

    def link(self, **changes: str | None) -> str:
        """Return the query string of a page like this one, with some parameters changed."""
        query = {"queue": self.queue, "state": self.state, "after": self.after, **changes}
        return "?" + urlencode({name: value for name, value in query.items() if value})

    def choice(self, display: Any, is_selected: bool, **changes: str | None) -> dict[str, Any]:
        """Return a link of a filter, to the first page of what is chosen by it."""
        link = self.link(**changes, after=None)
        return {"display": display, "selected": is_selected, "query_string": link}

    def cells(self, task: UnfinishedTask) -> dict[str, Any]:
        """Show a task in a row: what its checkbox sends, and the columns by their names."""
        is_readable = not task.id.startswith(UNREADABLE_MARK)
        selection = selection_value(task.id, task.group) if is_readable else ""
        return {"selection": selection, "name": single_line(task.name) or "-", "cells": cells(task)}


def number(value: int) -> str:
    """Write a number with the separators of the language."""
    return number_format(value, force_grouping=True)


def is_unserved(queue: QueueState) -> bool:
    """Return True if a queue has tasks, and no cluster takes them."""
    return queue.is_served is False and any(queue.counts[:3])


def queue_badges(queue: QueueState) -> Iterator[SafeString]:
    """Yield what holds a queue back, and what is wrong with it."""
    for text in hold_texts(queue.control, queue.counts.leased):
        yield badge("busy", text)
    if is_unserved(queue):
        yield badge("bad", _("No cluster serves this queue"))


def cells(task: UnfinishedTask) -> dict[str, Any]:
    """Show a task in a row, by the names of the columns."""
    state = (
        state_cell(task.state, task.due, task.expires),
        progress_cell(task.done, task.total, task.note),
        cancelled_cell(task.cancelled),
    )
    return {
        "name": single_line(task.name) or "-",
        "state": format_html("{}{}{}", *state),
        "func": wrapping_path(task.func),
        "group": single_line(task.group) or "-",
        "since": time_element(task.since),
        "attempts": attempts_cell(task),
        "priority": task.priority,
        "task_id": single_line(task.id),
    }


def cancelled_cell(text: str) -> SafeString:
    """Show that a task is cancelled, and by whom."""
    if not text:
        return SafeString("")
    details = single_line(text).removeprefix("cancelled ")
    return format_html("<div>{} {}</div>", badge("bad", _("Cancelled")), details)
