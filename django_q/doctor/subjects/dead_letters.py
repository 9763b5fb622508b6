"""The dead letters: packages that no cluster could read, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django_q.brokers.base import DEAD_SUFFIX, Broker
from django_q.brokers.other_queues import queue_of
from django_q.brokers.terms import QueuedTask
from django_q.conf import Conf
from django_q.doctor.findings.finding import Finding, counted, error
from django_q.models import pickle_preview
from django_q.status import Stat
from django_q.unfinished.queues import UNVERIFIED_ID
from django_q.unfinished.reading import broker_for, lists_tasks
from django_q.unfinished.task import UNREADABLE_MARK

#: Packages of a queue that are read for their cause, the first ones.
MAX_READ_LETTERS = 100
#: Causes that are told of a queue.
MAX_CAUSES = 5
ADMIN_CURE = (
    "Once the cause is gone, put them back in the admin (queued tasks, where the queue is in a "
    "database), or move them in the broker; delete what nobody needs."
)


def examine() -> Iterator[Finding]:
    """Look at the dead-letter queue of each queue of this project."""
    names = {Conf.CLUSTER_NAME, *map(str, Conf.ALT_CLUSTERS)}
    names |= {stat.queue for stat in Stat.get_all(broker_for(None)) if stat.queue}
    for name in sorted(names):
        broker = broker_for(name)
        if count := broker.dead_size():
            causes = causes_of(broker)
            yield error(
                "dead-letters",
                f"The queue '{name}' has {counted(count, 'dead letter')}, which nobody could read"
                f"{f': {causes}' if causes else ''}.",
                f"{cure_of(causes)} {ADMIN_CURE}",
            )


def causes_of(broker: Broker) -> str:
    """Say why dead letters can not be read, the most frequent cause first; nothing is unpickled."""
    if not lists_tasks(broker):
        return ""
    key = broker.list_key + DEAD_SUFFIX
    with queue_of(broker, key) as dead:
        causes = Counter(map(cause_of, dead.list_tasks(limit=MAX_READ_LETTERS)))
    return "; ".join(f"{number} {cause}" for cause, number in causes.most_common(MAX_CAUSES))


def cause_of(letter: QueuedTask) -> str:
    """Say why one can not be read, as far as its payload shows it."""
    package = pickle_preview.read_payload(letter.payload)
    package_id = str(package.get("id", ""))
    if package_id == UNVERIFIED_ID:
        return "signed with another key, or under another name"
    if package_id.startswith(UNREADABLE_MARK):
        return f"damaged ({package_id.removeprefix(UNREADABLE_MARK)})"
    func = pickle_preview.function_name(package.get("func"))
    return f"with arguments that a worker could not unpickle, or died of (call of {func})"


def cure_of(causes: str) -> str:
    """Say what to do about the most frequent cause."""
    if causes.partition(" ")[2].startswith("signed"):
        return "Give all processes the same SECRET_KEY and Q_CLUSTER['name']."
    if "unpickle" in causes:
        return "Have clusters run the code that enqueues, with all classes of its arguments."
    return "The log of the cluster has the error of each."
