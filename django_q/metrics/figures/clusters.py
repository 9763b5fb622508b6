"""Metrics of clusters, by their heartbeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import override

from django_q.conf import Conf
from django_q.metrics.exposition.families import COUNTER, MEASURE, Families, Family
from django_q.status import STATES, Stat

#: Clusters that are told of at most.
MAX_CLUSTERS = 200


def cluster_families(stats: Sequence[Stat]) -> list[Family]:
    """Measure the clusters that have a heartbeat."""
    families = Families(
        ("clusters", MEASURE, "Clusters by state."),
        ("cluster_workers", MEASURE, "Worker processes of the cluster."),
        ("cluster_expected_workers", MEASURE, "Worker processes that it should have."),
        ("cluster_running_tasks", MEASURE, "Tasks that its workers run."),
        ("cluster_prefetched_tasks", MEASURE, "Tasks that it has taken, and no worker has begun."),
        ("cluster_unsaved_results", MEASURE, "Results that it has not saved yet."),
        ("cluster_start_time_seconds", MEASURE, "When it was started, in seconds since the epoch."),
        ("process_restarts", COUNTER, "Processes that ended unasked and were replaced."),
        ("tasks_finished", COUNTER, "Deliveries that its workers have finished."),
        ("tasks_failed", COUNTER, "Runs of tasks that have failed, also where another follows."),
        ("clusters_left_out", MEASURE, "Clusters that are left out, as there are too many."),
    )
    add_states(families["clusters"], stats)
    for stat in stats[:MAX_CLUSTERS]:
        labels = {"cluster": stat.name or str(stat.cluster_id), "host": stat.host}
        families.add({**labels, "queue": stat.queue}, cluster_values(stat).items())
    families["clusters_left_out"].add(max(len(stats) - MAX_CLUSTERS, 0))
    return families.as_list()


def cluster_values(stat: Stat) -> dict[str, float | None]:
    """Return the values of a cluster, by the names of their families."""
    return {
        "cluster_workers": len(stat.workers),
        "cluster_expected_workers": stat.pool_size or None,
        "cluster_running_tasks": max(len(stat.running), len(stat.current)),
        "cluster_prefetched_tasks": stat.task_q_size,
        "cluster_unsaved_results": stat.done_q_size,
        "cluster_start_time_seconds": stat.tob.timestamp() if stat.tob else None,
        "process_restarts": stat.reincarnations,
        "tasks_finished": stat.finished,
        "tasks_failed": stat.failed,
    }


def add_states(family: Family, stats: Sequence[Stat]) -> None:
    """Count the clusters in each state. Heartbeats of the predecessors have translated ones."""
    with override(None):
        counts = Counter(str(stat.status) for stat in stats)
    for name, state in STATES.items():
        if state != Conf.STOPPED:
            family.add(counts[name], state=name.lower())
