"""Walks of the tasks that have not ended: those that run, and those in the broker's queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django_q.brokers import Broker
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import DELAYED, LEASED, WAITING
from django_q.dashboard.task_search.language import Query
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.dashboard.task_search.patterns import has_wildcards
from django_q.status import Stat, utc_now
from django_q.unfinished.progress import progress_of
from django_q.unfinished.queues import UNVERIFIED_ID
from django_q.unfinished.reading import broker_for, lists_tasks, walk
from django_q.unfinished.task import RUNNING, UnfinishedTask, from_broker, utc_time

#: Between the name of a queue and the cursor in it.
QUEUE_SEPARATOR = "/"
#: Tasks that are read of a queue at a time.
CHUNK_TASKS = 100


def unfinished_tasks(query: Query, behind: str) -> Iterator[tuple[str, ListedTask]]:
    """Yield the tasks that have not ended, each with the cursor behind it.

    Those that run come first, as the heartbeats name them; then the queues one after another, in
    the order of the broker. ``behind`` is such a cursor, or empty for the first page.
    """
    broker = broker_for(None)
    runs = {task.id: task for task in running_tasks(broker)}
    queue, _separator, cursor = behind.partition(QUEUE_SEPARATOR)
    if not behind and RUNNING in query.states:
        yield from (("", task) for task in runs.values())
    if not query.states & {WAITING, DELAYED}:
        return
    for name in queues_of(query, broker):
        if name >= queue:
            start = cursor if name == queue else ""
            for after, task in queued_tasks(query, broker_for(name), name, start):
                if task.id not in runs:
                    yield f"{name}{QUEUE_SEPARATOR}{after}", task


def queues_of(query: Query, broker: Broker) -> list[str]:
    """Name the queues that are asked for: the one that a search names, or all that have tasks."""
    named = query.exact("queue")
    if named and not has_wildcards(named):
        return [named]
    return sorted({*map(queue_label, broker.queue_names()), queue_label(broker.list_key)})


def queued_tasks(
    query: Query, broker: Broker, name: str, cursor: str
) -> Iterator[tuple[str, ListedTask]]:
    """Yield the tasks of a queue that wait or are delayed; those that are held wait."""
    if not lists_tasks(broker):
        return
    states = {WAITING: (LEASED, WAITING), DELAYED: (DELAYED,)}
    wanted = query.states & states.keys()
    order = (None,) if len(wanted) == len(states) else states[next(iter(wanted))]
    for after, queued in walk(broker, order, cursor or None, CHUNK_TASKS):
        task = from_broker(queued, name, {})
        if task.id == UNVERIFIED_ID:  # of another project on the same server
            return
        yield after, listed_queued(task, queued.payload)


def listed_queued(task: UnfinishedTask, payload: str | bytes) -> ListedTask:
    """Describe a task of a queue."""
    return ListedTask(
        id=task.id,
        name=task.name,
        func=task.func,
        group=task.group or "",
        queue=task.queue,
        state=task.state,
        when=task.due if task.state == DELAYED else task.since,
        enqueued=task.since,
        attempt=task.attempt,
        note=task.cancelled,
        payload=payload,
    )


def running_tasks(broker: Broker) -> Iterator[ListedTask]:
    """Yield the tasks that workers run, the longest running first."""
    runs = [(run, stat) for stat in Stat.get_all(broker) for run in stat.running]
    runs.sort(key=lambda each: -each[0]["seconds"])
    return (listed_run(run, stat) for run, stat in runs)


def listed_run(run: dict[str, Any], stat: Stat) -> ListedTask:
    """Describe a task that runs, as the heartbeat of its cluster tells of it."""
    done, total, note = progress_of(run)
    return ListedTask(
        id=run["id"],
        name=run["name"],
        func=run["func"],
        group=run["group"] or "",
        queue=stat.queue,
        state=RUNNING,
        when=utc_now() - timedelta(seconds=run["seconds"]),
        enqueued=utc_time(run["since"]) if run["since"] else None,
        worker=f"{stat.host}:{run['pid']}",
        seconds=run["seconds"],
        attempt=run["attempt"],
        done=done,
        total=total,
        note=run.get("cancelled") or note,
    )
