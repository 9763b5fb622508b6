"""Which queue of this project a ``queue_name`` of Django's framework stands for."""

from __future__ import annotations

from django_q.conf import Conf, given_options


def own_queue(queue_name: str) -> str | None:
    """Return the cluster whose queue a task goes to, as the option ``cluster`` takes it.

    That of the name where ``ALT_CLUSTERS`` has one. All other names are labels in the queue of the
    project's first cluster, also where a cluster of another name makes the call. None is the queue
    of this process.
    """
    if queue_name in Conf.ALT_CLUSTERS:
        return queue_name
    options = given_options()
    first = options.get("cluster_name") or options.get("name", "default")
    return None if first == Conf.CLUSTER_NAME else first


def queues_to_search(queue_names: set[str]) -> list[str | None]:
    """Return the clusters in whose queues the tasks of a backend are."""
    named = sorted(name for name in queue_names if name in Conf.ALT_CLUSTERS)
    return [own_queue(""), *named]
