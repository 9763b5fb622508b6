"""All queues of a broker: how much is in them, and whether a cluster serves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.core.signing import BadSignature

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.other_queues import ask_other_queues, queue_label
from django_q.brokers.terms import QueueCounts
from django_q.conf import Conf
from django_q.models import pickle_preview
from django_q.status import Status
from django_q.unfinished.reading import counts_of
from django_q.unfinished.task import UNREADABLE_MARK

#: The id of a preview whose payload is not signed by this project.
UNVERIFIED_ID = f"{UNREADABLE_MARK}{BadSignature.__name__}"


class QueueState(NamedTuple):
    """A queue at one moment."""

    #: As the option ``cluster`` takes it.
    name: str
    counts: QueueCounts
    #: Whether a cluster that runs takes tasks from it; None where it is of another project.
    is_served: bool | None
    #: What holds it back.
    control: QueueControl = QueueControl()
    #: How many of its tasks are run by a worker, by the heartbeats.
    running: int = 0


def queue_states(broker: Broker, stats: Sequence[Status]) -> list[QueueState]:
    """Read the queue of a broker and all others that have tasks, sorted by name.

    ``stats`` are the heartbeats of all clusters.
    """
    own_name = queue_label(broker.list_key)
    own = state_of(broker, own_name, is_served(own_name, stats), stats)
    others = ask_other_queues(broker, lambda other: other_state(other, stats))
    return sorted([own, *others], key=lambda queue: queue.name)


def other_state(broker: Broker, stats: Sequence[Status]) -> QueueState:
    """Read the state of a queue that may be of another project."""
    name = queue_label(broker.list_key)
    served = is_served(name, stats) or (None if is_foreign(broker) else False)
    return state_of(broker, name, served, stats)


def state_of(broker: Broker, name: str, served: bool | None, stats: Sequence[Status]) -> QueueState:
    """Read the state of the queue of a broker, of which it is known whether it is served."""
    running = sum(running_count(stat) for stat in stats if stat.queue == name)
    return QueueState(name, counts_of(broker), served, broker.control(), running)


def running_count(stat: Status) -> int:
    """Count the tasks that the workers of a cluster run; earlier releases name them in one way."""
    return max(len(stat.running), len(stat.current))


def is_served(queue: str, stats: Sequence[Status]) -> bool:
    """Return True if a cluster takes tasks from a queue, by the heartbeats.

    One that does not name its queue may be of any: clusters of the predecessors do not.
    """
    return any(stat.queue in ("", queue) and stat.status != Conf.STOPPED for stat in stats)


def is_foreign(broker: Broker) -> bool:
    """Return True if the first task of a queue is signed by another project.

    Such projects share a server, and do not read the heartbeats of each other.
    """
    packages = (pickle_preview.read_payload(task.payload) for task in broker.list_tasks(limit=1))
    return any(package.get("id") == UNVERIFIED_ID for package in packages)
