"""Check whether a cluster serves the queue, for probes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.brokers import Broker
from django_q.brokers.contract.orders import QueueControl
from django_q.conf import Conf
from django_q.exceptions import DjangoQError
from django_q.status import Stat
from django_q.terminal.cluster_screen import hold_sentence
from django_q.terminal.queue_figures import broker_errors_translated
from django_q.terminal.report import on_host
from django_q.text.printable import printable
from django_q.unfinished.holds import hold_texts, is_held

#: Seconds for which a queue is watched from which no task is taken. Not less than the interval of
#: heartbeats of an idle cluster.
STUCK_SECONDS = 5.0
#: Seconds between two checks of it.
HEALTH_CHECK_INTERVAL = 0.5


class Unhealthy(DjangoQError):
    """Raised when no cluster serves a queue."""


@dataclass(frozen=True)
class QueueSnapshot:
    """The state of a queue and its clusters at one moment."""

    waiting: int  #: tasks
    stats: list[Stat]  #: clusters of this queue

    @classmethod
    def take(cls, broker: Broker, queue: str) -> QueueSnapshot:
        """Read the present state from the broker. Raises BrokerUnavailable."""
        with broker_errors_translated(broker):
            stats = Stat.get_all(broker)
            return cls(broker.queue_size(), [stat for stat in stats if serves(stat, queue)])

    def is_busy(self) -> bool:
        """Whether a cluster is busy."""
        return any(
            stat.status == Conf.WORKING or stat.current or not stat.empty_queues()
            for stat in self.stats
        )

    def is_stuck_since(self, earlier: QueueSnapshot) -> bool:
        """Whether tasks wait, no cluster is busy, and no task was taken since ``earlier``."""
        return bool(self.waiting) and self.waiting >= earlier.waiting and not self.is_busy()


def serves(stat: Stat, queue: str) -> bool:
    """Whether a cluster serves a queue; heartbeats of the predecessors do not name one."""
    return stat.queue in ("", queue)


def check(
    broker: Broker,
    host: str | None = None,
    stuck_seconds: float = STUCK_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    queue: str | None = None,
) -> str:
    """Describe the cluster that serves the queue; only those on ``host`` count if it is given.

    ``queue`` is the name of the broker's queue; None for that of this process.

    Raises Unhealthy if there is none, or if tasks wait for ``stuck_seconds`` although no cluster is
    busy, and nobody has paused the queue; BrokerUnavailable if the broker does not answer.
    """
    queue = queue or Conf.CLUSTER_NAME
    first = last = QueueSnapshot.take(broker, queue)
    sentence = describe_serving_cluster(on_host(first.stats, host), host, queue)
    if first.is_stuck_since(first) and (hold := held_back(broker, first.stats)):
        return f"{sentence} {hold_sentence(queue, hold)}"
    for _round in range(round(stuck_seconds / HEALTH_CHECK_INTERVAL)):
        if not last.is_stuck_since(first):
            return sentence
        sleep(HEALTH_CHECK_INTERVAL)
        last = QueueSnapshot.take(broker, queue)
    if last.is_stuck_since(first):
        raise Unhealthy(describe_stuck_queue(last.waiting, stuck_seconds, queue))
    return sentence


def held_back(broker: Broker, stats: Sequence[Stat]) -> str:
    """Tell by what people keep all of these clusters from a queue; empty if they do not."""
    with broker_errors_translated(broker):
        control = broker.control()
        if control == QueueControl():  # the usual case
            return ""
        leased = broker.count_tasks().leased
    clusters = {str(stat.cluster_id) for stat in stats}
    if is_held(control, leased) or control.paused_clusters >= clusters:
        return ", ".join(hold_texts(control, leased))
    return ""


def describe_serving_cluster(stats: Sequence[Stat], host: str | None, queue: str) -> str:
    """Describe a cluster that runs and has workers. Raises Unhealthy if there is none."""
    facts = {"queue": queue, "host": host}
    if not stats:
        where = _("No cluster of '%(queue)s' is running on %(host)s.")
        raise Unhealthy((where if host else _("No cluster of '%(queue)s' is running.")) % facts)
    running = [stat for stat in stats if stat.status in (Conf.IDLE, Conf.WORKING)]
    if not running:
        raise Unhealthy(describe_cluster(stats[0]))
    with_workers = [stat for stat in running if stat.workers]
    if not with_workers:
        raise Unhealthy(_("The cluster of '%(queue)s' has no workers.") % facts)
    return describe_cluster(with_workers[0])


def describe_cluster(stat: Stat) -> str:
    """Describe the state of a cluster."""
    text = _("Cluster %(cluster)s on %(host)s: %(state)s.")
    return text % {"cluster": stat.cluster_id, "host": printable(stat.host), "state": stat.status}


def describe_stuck_queue(waiting: int, seconds: float, queue: str) -> str:
    """Describe a queue from which no task is taken."""
    text = ngettext(
        "%(number)d task waits in '%(queue)s', and nobody took it for %(seconds)d seconds.",
        "%(number)d tasks wait in '%(queue)s', and nobody took one for %(seconds)d seconds.",
        waiting,
    )
    return text % {"number": waiting, "queue": queue, "seconds": seconds}
