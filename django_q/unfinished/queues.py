"""All queues of a broker: how much is in them, and whether a cluster serves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django_q.brokers.base import Broker
from django_q.brokers.other_queues import queue_label, queue_of
from django_q.brokers.terms import QueueCounts
from django_q.conf import Conf
from django_q.status import Status
from django_q.unfinished.reading import counts_of


class QueueState(NamedTuple):
    """A queue at one moment."""

    #: As the option ``cluster`` takes it.
    name: str
    counts: QueueCounts
    #: Whether a cluster that runs takes tasks from it.
    is_served: bool


def queue_states(broker: Broker, stats: Sequence[Status]) -> list[QueueState]:
    """Read the queue of a broker and all others that have tasks, sorted by name.

    ``stats`` are the heartbeats of all clusters.
    """
    found = {}
    for list_key in {broker.list_key, *broker.queue_names()}:
        name = queue_label(list_key)
        with queue_of(broker, list_key) as other:
            counts = counts_of(other)
        found[name] = QueueState(name, counts, is_served(name, stats))
    return [found[name] for name in sorted(found)]


def is_served(queue: str, stats: Sequence[Status]) -> bool:
    """Return True if a cluster takes tasks from a queue, by the heartbeats.

    One that does not name its queue may be of any: clusters of the predecessors do not.
    """
    return any(stat.queue in ("", queue) and stat.status != Conf.STOPPED for stat in stats)
