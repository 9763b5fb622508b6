"""Metrics of the queues of a broker."""

from __future__ import annotations

from collections.abc import Sequence

from django_q.brokers import Broker
from django_q.brokers.other_queues import queue_label
from django_q.metrics.exposition.families import MEASURE, Families, Family
from django_q.status import Stat
from django_q.unfinished.queues import QueueState, queue_states
from django_q.unfinished.reading import broker_for

#: Queues that are told of at most, those with the most tasks first.
MAX_QUEUES = 100


def queue_families(broker: Broker, stats: Sequence[Stat]) -> list[Family]:
    """Measure the queues that have tasks, and the own one."""
    families = Families(
        ("queue_tasks", MEASURE, "Tasks in the broker by state; leased ones are with a cluster."),
        ("queue_oldest_age_seconds", MEASURE, "For how long the oldest waiting task has waited."),
        ("queue_running_tasks", MEASURE, "Tasks that workers run, by the heartbeats."),
        ("queue_longest_run_seconds", MEASURE, "For how long the task has run that runs longest."),
        ("queue_served", MEASURE, "Whether a cluster that runs takes tasks from the queue."),
        ("queue_paused", MEASURE, "Whether somebody has paused the queue for all clusters."),
        ("queue_dead_letters", MEASURE, "Packages that could not be read and were put aside."),
        (
            "queues_left_out",
            MEASURE,
            "Queues with tasks that are left out, as there are too many.",
        ),
    )
    states = sorted(queue_states(broker, stats), key=lambda state: -sum(state.counts[:3]))
    for state in states[:MAX_QUEUES]:
        add_queue(families, state, stats)
        families["queue_dead_letters"].add(dead_letters(broker, state.name), queue=state.name)
    families["queues_left_out"].add(max(len(states) - MAX_QUEUES, 0))
    return families.as_list()


def add_queue(families: Families, state: QueueState, stats: Sequence[Stat]) -> None:
    """Add the values of a queue."""
    counts = state.counts
    for name in ("waiting", "delayed", "leased"):
        families["queue_tasks"].add(getattr(counts, name), queue=state.name, state=name)
    values = {
        "queue_oldest_age_seconds": counts.oldest if counts.waiting else 0,
        "queue_running_tasks": state.running,
        "queue_longest_run_seconds": longest_run(state.name, stats),
        "queue_served": state.is_served,
        "queue_paused": state.control.is_paused,
    }
    families.add({"queue": state.name}, values.items())


def dead_letters(broker: Broker, queue: str) -> int:
    """Count the packages of a queue that were put aside."""
    own = queue == queue_label(broker.list_key)
    return (broker if own else broker_for(queue)).dead_size()


def longest_run(queue: str, stats: Sequence[Stat]) -> float:
    """Return for how many seconds the task of a queue has run that runs longest; 0 without one."""
    runs = (run for stat in stats if stat.queue == queue for run in stat.current)
    return max((seconds for _pid, _name, _func, seconds in runs), default=0)
