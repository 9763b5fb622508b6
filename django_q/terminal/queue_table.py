"""The queues of the broker in the report of qinfo: what is in each, and whether it is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from django_q.brokers.contract.orders import QueueControl
from django_q.terminal.cluster_screen import duration, hold_rows
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Row
from django_q.unfinished.holds import hold_texts, is_held
from django_q.unfinished.queues import QueueState

#: The numbers of tasks, as the dictionary of a queue names them.
COUNT_NAMES = ("waiting", "delayed", "leased")
#: The share of the width that the name of a queue has, and that each number has.
NAME_SPAN, NUMBER_SPAN = 4, 3
#: In place of an age where nothing waits, or the broker does not know it.
NO_AGE = "-"


def queue_as_dict(queue: QueueState) -> dict[str, Any]:
    """Turn the state of a queue into a dictionary for JSON."""
    *numbers, oldest = queue.counts
    counts = dict(zip(COUNT_NAMES, numbers, strict=True))
    control = queue.control
    return {
        "name": queue.name,
        **counts,
        "running": queue.running,
        "oldest_seconds": oldest,
        "served": queue.is_served,
        "paused": control.is_paused,
        "paused_clusters": sorted(control.paused_clusters),
        "limit": control.limit,
        "held": is_held(control, queue.counts.leased),
    }


def queue_rows(queues: Sequence[dict[str, Any]]) -> list[Row]:
    """Make the table of queues, and the lines that warn of those that nobody serves."""
    titles = (_("Queue"), _("Waiting"), _("Delayed"), _("Leased"), _("Oldest"))
    unserved = [{"queue": queue["name"]} for queue in queues if is_unserved(queue)]
    return [
        BLANK_ROW,
        table_row(titles, "cyan"),
        *(table_row(texts(queue), "red" if is_unserved(queue) else "bold") for queue in queues),
        *([Cell(_("Nobody serves '%(queue)s'.") % names, "red")] for names in unserved),
        *hold_rows({queue["name"]: text for queue in queues if (text := hold_text(queue))}),
    ]


def hold_text(queue: dict[str, Any]) -> str:
    """Tell what holds a queue back; empty if nothing does."""
    paused = frozenset(queue["paused_clusters"])
    control = QueueControl(queue["paused"], paused, queue["limit"])
    return ", ".join(hold_texts(control, queue["leased"]))


def is_unserved(queue: dict[str, Any]) -> bool:
    """Whether there are tasks of this project in a queue, and no cluster takes them."""
    return queue["served"] is False and any(queue[name] for name in COUNT_NAMES)


def texts(queue: dict[str, Any]) -> tuple[str, ...]:
    """Write the name and the figures of a queue."""
    oldest = queue["oldest_seconds"]
    numbers = (str(queue[name]) for name in COUNT_NAMES)
    return (queue["name"], *numbers, NO_AGE if oldest is None else duration(oldest))


def table_row(texts: Sequence[str], style: str) -> Row:
    """Make a row of the table."""
    name, *numbers = texts
    return [Cell(name, style, NAME_SPAN), *(Cell(each, style, NUMBER_SPAN) for each in numbers)]
