"""The queues, and the page of one: what waits in it, and orders for it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.contract.orders import CANCEL_ORDER, LIMIT_ORDER, PAUSE_ORDER
from django_q.dashboard.access import VIEW_QUEUES
from django_q.dashboard.display import (
    attempts_cell,
    progress_cell,
    single_line,
    state_cell,
    time_element,
    wrapping_path,
)
from django_q.dashboard.figures.cluster_lines import cluster_lines
from django_q.dashboard.figures.queue_lines import queue_line_of, queue_lines
from django_q.dashboard.orders import QUEUE_ORDERS, selection_value
from django_q.dashboard.page import Page
from django_q.status import Stat
from django_q.task_state.cancellation import MAX_REASON_LENGTH
from django_q.unfinished.reading import broker_for, list_unfinished, lists_tasks
from django_q.unfinished.task import UNREADABLE_MARK, UnfinishedTask

#: Tasks on a page.
MAX_SHOWN_TASKS = 50
#: The orders of the pages, with those that a broker has to obey.
NEEDED_ORDERS = {
    "pause": PAUSE_ORDER,
    "resume": PAUSE_ORDER,
    "limit": LIMIT_ORDER,
    "cancel": CANCEL_ORDER,
    "cancel_queue": CANCEL_ORDER,
}


class QueuesPage(Page):
    """All queues."""

    template_name = "django_q/dashboard/queues.html"
    title = _("Queues")
    section = "queues"
    permissions = VIEW_QUEUES
    orders = {name: QUEUE_ORDERS[name] for name in ("pause", "resume")}

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read all queues."""
        broker = adapt_broker(shared_broker())
        queues = queue_lines(broker, Stat.get_all(broker))
        obeys = PAUSE_ORDER in broker.obeys
        return {"work": {"queues": queues, "obeys_pause": obeys, "broker": broker.info()}}


class QueuePage(Page):
    """A queue: its figures, the tasks in it, and orders for both."""

    template_name = "django_q/dashboard/queue.html"
    title = _("Queue")
    section = "queues"
    permissions = VIEW_QUEUES
    orders = {name: QUEUE_ORDERS[name] for name in NEEDED_ORDERS}

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read a queue, and a page of its tasks."""
        name, after = parts["queue"], request.GET.get("after")
        broker = broker_for(name)
        stats = Stat.get_all(broker)
        tasks = list_unfinished(name, None, after, MAX_SHOWN_TASKS)
        return {
            "title": name,
            "queue": queue_line_of(broker, stats),
            "clusters": cluster_lines([stat for stat in stats if stat.queue == name]),
            "tasks": [task_line(task) for task in tasks],
            "is_first": not after,
            "next_link": "?" + urlencode({"after": tasks.next}) if tasks.next else "",
            "lists_tasks": lists_tasks(broker),
            "max_reason_length": MAX_REASON_LENGTH,
            "can": permitted_orders(request, broker),
        }


def permitted_orders(request: HttpRequest, broker: Broker) -> list[str]:
    """Name the orders that the user may give, and the broker obeys."""
    return [
        name
        for name, needed in NEEDED_ORDERS.items()
        if needed in broker.obeys and request.user.has_perm(QUEUE_ORDERS[name][0])
    ]


def task_line(task: UnfinishedTask) -> dict[str, Any]:
    """Describe an unfinished task in a table."""
    is_readable = not task.id.startswith(UNREADABLE_MARK)
    return {
        "id": task.id,
        "name": single_line(task.name) or "-",
        "func": wrapping_path(task.func),
        "group": single_line(task.group),
        "state": state_cell(task.state, task.due, task.expires),
        "progress": progress_cell(task.done, task.total, task.note),
        "since": time_element(task.since),
        "attempts": attempts_cell(task),
        "priority": task.priority,
        "cancelled": single_line(task.cancelled),
        "selection": selection_value(task.id, task.group) if is_readable else "",
    }
