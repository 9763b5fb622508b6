"""Pause a queue, resume it, and limit how many of its tasks run."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import CANCEL_ORDER, LIMIT_ORDER, PAUSE_ORDER, QueueControl
from django_q.brokers.other_queues import queue_label
from django_q.exceptions import PackageError
from django_q.humanhash import humanize
from django_q.orders.notices import process_text
from django_q.status import Stat
from django_q.task_state.cancellation import cluster_key, sign_notice
from django_q.unfinished.reading import broker_for, counts_of
from django_q.wire.option_types import shown, text
from django_q.wire.options import COUNT_TYPE, normalize_option

#: Seconds for which a cluster may be out of reach that is told to stop.
STOP_NOTICE_SECONDS = 3600.0


class QueueHandle:
    """A queue, to be paused and limited. Orders stay until they are taken back."""

    def __init__(self, name: str | None = None) -> None:
        #: Its name, as the option ``cluster`` takes it.
        self.name = queue_label(broker_for(name).list_key)

    def __repr__(self) -> str:
        return f"queue({self.name!r})"

    @property
    def broker(self) -> Broker:
        """The broker of the queue."""
        return broker_for(self.name)

    def pause(self, cluster: str | UUID | None = None) -> None:
        """Let no cluster take tasks from the queue, or not the one named: by its id or its name.

        When this returns, nothing is taken any more, delayed and released tasks included. What a
        cluster holds by then goes on. Tasks that are cancelled are taken all the same.
        """
        broker = self.steered(PAUSE_ORDER)
        broker.pause(cluster_id(broker, cluster) if cluster is not None else "")

    def resume(self, cluster: str | UUID | None = None) -> bool:
        """End the pause of the queue, or that of a cluster alone. Returns whether there was one."""
        broker = self.steered(PAUSE_ORDER)
        return broker.resume(cluster_id(broker, cluster) if cluster is not None else "")

    def limit(self, tasks: int | None) -> None:
        """Let at most so many tasks of the queue be leased at a time, by all clusters together.

        Those count that run, and those that a cluster has taken. None is any number.
        """
        broker = self.steered(LIMIT_ORDER)
        broker.set_limit(normalize_option("limit", tasks, COUNT_TYPE, "The limit of a queue"))

    def stop_cluster(self, cluster: str | UUID, by: str = "", reason: str = "") -> None:
        """Have a cluster of the queue stop as SIGTERM does, by its id or its name.

        It hears of that within a second, ends what it has taken, and exits with 0: what has started
        it may start another one.
        """
        broker = self.steered(CANCEL_ORDER)
        key, giver = cluster_key(cluster_id(broker, cluster)), by or process_text()
        text = sign_notice(broker.list_key, key, giver, time.time(), reason)
        broker.post_notice(key, text, STOP_NOTICE_SECONDS)

    def size(self) -> int:
        """Count the tasks that wait and could run now."""
        return self.broker.count_tasks()[0]

    def oldest(self) -> float | None:
        """Return for how many seconds the oldest task has waited; None where none does."""
        return counts_of(self.broker).oldest

    def control(self) -> QueueControl:
        """Read what holds the queue back: (is_paused, paused_clusters, limit)."""
        return self.broker.control()

    def control_text(self) -> str:
        """Say in a sentence what holds the queue back."""
        control, paused = self.control(), "for all clusters"
        if not control.is_paused:
            names = (cluster_name(each) or each for each in sorted(control.paused_clusters))
            paused = " and ".join(f"for cluster {name}" for name in names)
        states = [f"is paused {paused}"] if paused else ["is not paused"]
        if control.limit is not None:
            states.append(f"has a limit of {control.limit}")
        return f"The queue {self.name} {', and '.join(states)}."

    def steered(self, order: str) -> Broker:
        """Return the broker, if it knows an order. Raises ``UnsupportedOrder``."""
        broker = self.broker
        if order not in broker.obeys:
            raise broker.unsupported(order)
        return broker


def queue(name: str | None = None) -> QueueHandle:
    """Return a queue by its name; without one, that of this process's cluster.

    It has ``pause()``, ``resume()``, ``limit()``, ``size()``, ``oldest()`` and ``control()``.
    """
    return QueueHandle(name)


def cluster_id(broker: Broker, cluster: Any) -> str:
    """Find the id of a cluster, by that or by the name of four words that the log has.

    It is one that takes tasks from the queue, or is kept from it. Raises ``PackageError`` if there
    is none.
    """
    label, known = queue_label(broker.list_key), known_clusters(broker)
    try:
        wanted = text(cluster).strip().lower()
    except TypeError:
        wanted = ""
    for each, name in known.items():
        if wanted and wanted in (each.lower(), each.replace("-", "").lower(), name.lower()):
            return each
    names = ", ".join(f"{name} ({each})" for each, name in known.items()) or "none does"
    raise PackageError(
        f"'cluster' must be the id or the name of a cluster that takes tasks from the queue "
        f"{shown(label)}; got {shown(cluster)}. Those that do: {names}."
    )


def known_clusters(broker: Broker) -> dict[str, str]:
    """Map the ids of clusters to their names: those of a queue, and those that it is paused for."""
    label = queue_label(broker.list_key)
    paused = {each: cluster_name(each) for each in sorted(broker.control().paused_clusters)}
    stats = [stat for stat in Stat.get_all(broker) if stat.queue in ("", label)]
    return paused | {
        str(stat.cluster_id): stat.name or cluster_name(stat.cluster_id) for stat in stats
    }


def cluster_name(cluster: Any) -> str:
    """Return the name of a cluster by its id; empty where that is no UUID."""
    try:
        return humanize(UUID(str(cluster)).hex)
    except ValueError:
        return ""
