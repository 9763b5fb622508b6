"""The queues of the broker, as a page shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.brokers import Broker
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import QueueCounts
from django_q.dashboard.display import badge, coarse_duration
from django_q.models import Task
from django_q.models.task import HAS_ENDED
from django_q.status import Stat
from django_q.unfinished.holds import hold_texts
from django_q.unfinished.queues import QueueState, is_served, queue_states, state_of
from django_q.unfinished.reading import broker_for, lists_tasks

#: Seconds over which ended tasks are counted for a rate.
RATE_SECONDS = 60
#: Rows of each outcome that are read for it at most, the latest.
MAX_RATE_ROWS = 1000


@dataclass(frozen=True)
class QueueLine:
    """A queue in a table."""

    name: str
    counts: QueueCounts
    running: int
    #: For how long the oldest task has waited; a dash where nobody knows it.
    oldest: str
    #: How many of its tasks have ended in a minute; a dash where nobody knows it.
    rate: str
    badges: SafeString
    #: Whether it is paused, for all clusters or for one.
    is_paused: bool
    limit: int | None
    #: False where the broker can not count or list its tasks.
    is_counted: bool
    #: Tasks wait, and no cluster takes them.
    is_unserved: bool


def queue_lines(broker: Broker, stats: Sequence[Stat]) -> list[QueueLine]:
    """Describe all queues that have tasks, clusters, or both, and the own one.

    Costs a count of each, and at most 2,000 rows for the rates.
    """
    states = {state.name: state for state in queue_states(broker, stats)}
    for name in sorted({stat.queue for stat in stats if stat.queue} - states.keys()):
        states[name] = state_of(broker_for(name), name, is_served(name, stats), stats)
    rates = ended_by_queue(timezone.now())
    is_counted = lists_tasks(broker)
    return [queue_line(states[name], rates, is_counted) for name in sorted(states)]


def queue_line_of(broker: Broker, stats: Sequence[Stat]) -> QueueLine:
    """Describe the queue of a broker."""
    name = queue_label(broker.list_key)
    state = state_of(broker, name, is_served(name, stats), stats)
    return queue_line(state, ended_by_queue(timezone.now()), lists_tasks(broker))


def queue_line(state: QueueState, rates: Mapping[str, str], is_counted: bool) -> QueueLine:
    """Describe a queue."""
    oldest = state.counts.oldest
    return QueueLine(
        name=state.name,
        counts=state.counts,
        running=state.running,
        oldest="-" if oldest is None else coarse_duration(oldest),
        rate=rates.get(state.name, "-"),
        badges=format_html_join(" ", "{}", ((each,) for each in state_badges(state))),
        is_paused=state.control.is_paused or bool(state.control.paused_clusters),
        limit=state.control.limit,
        is_counted=is_counted,
        is_unserved=is_unserved(state),
    )


def is_unserved(state: QueueState) -> bool:
    """Return True if a queue has tasks, and no cluster takes them."""
    return state.is_served is False and any(state.counts[:3])


def state_badges(state: QueueState) -> Iterator[SafeString]:
    """Yield what holds a queue back, and what is wrong with it; that it is served otherwise."""
    held = list(hold_texts(state.control, state.counts.leased))
    for text in held:
        yield badge("busy", text)
    if is_unserved(state):
        yield badge("bad", _("No cluster serves this queue"))
    elif state.is_served is False:
        yield badge("quiet", _("Not served"))
    elif state.is_served is None:
        yield badge("quiet", _("Of another project"))
    elif not held:
        yield badge("good", _("Served"))


def ended_by_queue(now: datetime) -> dict[str, str]:
    """Count the saved tasks that ended in the last minute, by the name of their queue."""
    since = now - timedelta(seconds=RATE_SECONDS)
    counts: Counter[str] = Counter()
    is_cut = False
    for success in (True, False):  # by IN, and one by one: so the index is used
        rows = Task.objects.filter(HAS_ENDED, success__in=[success], stopped__gte=since)
        names = list(rows.order_by("-stopped").values_list("cluster", flat=True)[:MAX_RATE_ROWS])
        counts.update(name for name in names if name)
        is_cut |= len(names) == MAX_RATE_ROWS
    more = "+" if is_cut else ""
    return {name: f"{count}{more}" for name, count in counts.items()}


def dead_letter_text(broker: Broker) -> str:
    """Say how many packages are in the dead-letter queue; empty if none is."""
    number = broker.dead_size()
    if not number:
        return ""
    text = ngettext(
        "%d package could not be decoded and was put aside.",
        "%d packages could not be decoded and were put aside.",
        number,
    )
    return text % number
