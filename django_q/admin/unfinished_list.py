"""A page of the unfinished tasks of a queue, with what Django's template of lists asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.admin.display import (
    STATE_TEXTS,
    badge,
    duration,
    single_line,
    state_cell,
    time_element,
    wrapping_path,
)
from django_q.brokers import adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueueCounts
from django_q.conf import logger
from django_q.exceptions import PackageError
from django_q.status import Stat
from django_q.text.error_text import error_summary
from django_q.unfinished.queues import QueueState, queue_states
from django_q.unfinished.reading import list_unfinished, lists_tasks
from django_q.unfinished.task import UNFINISHED_STATES, UnfinishedTask

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


class UnfinishedList:
    """What the page shows; nothing but ``errors`` where the broker does not answer."""

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

    def __init__(self, opts: Any, query: QueryDict) -> None:
        self.opts = opts
        self.queue = query.get("queue")
        self.state = query.get("state") if query.get("state") in UNFINISHED_STATES else None
        self.after = query.get("after")
        self.errors: list[str] = []
        self.facts: list[str] = []
        self.filter_specs: list[LinkFilter] = []
        self.rows: list[dict[str, Any]] = []
        self.first_link = self.link(after=None) if self.after else ""
        self.next_link = ""
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
        self.queue = self.queue or queue_label(broker.list_key)
        queues = {queue.name: queue for queue in queue_states(broker, Stat.get_all(broker))}
        page = list_unfinished(self.queue, self.state, self.after, PAGE_SIZE)
        chosen = queues.setdefault(self.queue, QueueState(self.queue, QueueCounts(), True))
        self.filter_specs = [self.queue_filter(queues.values()), self.state_filter()]
        self.facts = list(facts(chosen, is_listed=lists_tasks(broker)))
        self.rows = [cells(task) for task in page]
        self.next_link = self.link(after=page.next) if page.next else ""

    @property
    def has_filters(self) -> bool:
        """Whether there is anything in the margin."""
        return bool(self.filter_specs)

    def queue_filter(self, queues: Iterable[QueueState]) -> LinkFilter:
        """Offer the queues, each with the number of its tasks; mark those that nobody serves."""
        links = []
        for queue in queues:
            text = f"{queue.name} ({number(sum(queue.counts[:3]))})"
            if is_unserved(queue):
                mark = badge("bad", "!", _("No cluster serves this queue"))
                text = format_html("{} {}", text, mark)
            links.append(self.choice(text, queue.name == self.queue, queue=queue.name))
        return LinkFilter(_("queue"), links)

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


def number(value: int) -> str:
    """Write a number with the separators of the language."""
    return number_format(value, force_grouping=True)


def is_unserved(queue: QueueState) -> bool:
    """Return True if a queue has tasks, and no cluster takes them."""
    return queue.is_served is False and any(queue.counts[:3])


def facts(queue: QueueState, *, is_listed: bool) -> Iterator[str]:
    """Tell how much there is in a queue, and what is wrong with it."""
    counts = queue.counts
    for state, count in zip((WAITING, DELAYED, LEASED), counts[:3], strict=True):
        yield format_html("{} <strong>{}</strong>", STATE_TEXTS[state], number(count))
    if counts.oldest is not None:
        yield format_html("{} <strong>{}</strong>", _("Longest wait"), duration(counts.oldest))
    if is_unserved(queue):
        yield badge("bad", _("No cluster serves this queue"))
    if not is_listed:
        yield badge("busy", _("This broker lists no tasks but those that run"))


def cells(task: UnfinishedTask) -> dict[str, Any]:
    """Show a task in a row, by the names of the columns."""
    return {
        "name": single_line(task.name) or "-",
        "state": state_cell(task.state, task.due, task.expires),
        "func": wrapping_path(task.func),
        "group": single_line(task.group) or "-",
        "since": time_element(task.since),
        "attempts": task.attempt,
        "priority": task.priority,
        "task_id": single_line(task.id),
    }
