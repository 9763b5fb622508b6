"""Find, list and count tasks that have not ended.

They are in the broker; those that run are in the heartbeats as well; those that have ended are
in the results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.other_queues import ask_other_queues, queue_label
from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueueCounts, QueuedTask
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError, contain_error
from django_q.models import OutboxTask, Task
from django_q.models.task import HAS_ENDED
from django_q.outbox.rows import count_rows, find_row, list_keys, list_rows
from django_q.results.cache import CachedResults
from django_q.status import Stat
from django_q.text.error_text import error_summary
from django_q.text.storable import storable_key
from django_q.unfinished.task import (
    RUNNING,
    UNFINISHED_STATES,
    UnfinishedTask,
    from_broker,
    from_heartbeat,
)
from django_q.wire.option_types import MAX_INTEGER, shown
from django_q.wire.option_types import task_id as named_task
from django_q.wire.options import COUNT_TYPE, QUEUE_NAME_TYPE, normalize_option

#: The states of the broker's tasks among which those of a state are. What a cluster holds and has
#: not begun yet is leased, and waits.
BROKER_STATES: dict[str | None, tuple[str | None, ...]] = {
    None: (None,),
    WAITING: (LEASED, WAITING),
    DELAYED: (DELAYED,),
    RUNNING: (LEASED,),
}
#: Stands before the states of the broker, for tasks that have not reached it yet.
OUTBOX = "outbox"
#: Where a page ends: the index of the state, and the cursor that the broker or the outbox gave.
CURSOR = re.compile(r"([0-2]):(.*)", re.DOTALL)
#: An id with dashes, as a UUID is written.
DASHED_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Page(list[UnfinishedTask]):
    """A page of a list of tasks."""

    #: To be given as ``after`` for the next page; None after the last.
    next: str | None = None


def fetch_unfinished(task_id: str | UUID, queue: str | None = None) -> UnfinishedTask | None:
    """Return a task that waits, is delayed or runs, by its id; in one queue, or in any.

    None means that no such task is unfinished, or that it is a plain one, which no broker finds
    by its id while it waits: it needs an option such as ``priority`` or ``"track": True``. One
    that runs is found whatever its options, as the heartbeats of the clusters name it: those of
    an idle cluster come every five seconds, so it may be found, or still be found, that much
    later. To look in any queue takes a search of the server for queues: name the one you know.
    """
    name = normal_id(task_id)
    if has_row(name):
        return None
    broker = broker_for(queue)
    # In this order: a task goes from the outbox to the broker, to a worker, and to the results.
    kept = find_row(name) if Conf.OUTBOX else None
    queued = find_queued(name, broker)
    run = running_tasks(broker).get(name)
    if run and queue not in (None, run["queue"]):
        run = None
    if not queued and queue is None:
        queued = find_queued(name, broker_for(run["queue"])) if run else find_anywhere(name, broker)
    if queued:
        task = from_broker(queued[1], queued[0], {name: run} if run else {})
    elif run:
        task = from_heartbeat(run, run["queue"])
    elif kept and queue in (None, queue_label(kept.list_key)):
        task = from_broker(queued_row(kept), queue_label(kept.list_key), {})
    else:
        return None
    return None if has_row(name) or is_cached(name, task.queue) else task


def list_unfinished(
    queue: str | None = None, state: str | None = None, after: str | None = None, limit: int = 100
) -> Page:
    """List tasks of a queue that wait, are delayed or run, or those of one ``state`` alone.

    Without a name it is the queue of this process's cluster. Gives a list of at most ``limit``
    tasks. Its ``next`` is to be given as ``after`` for the next page; it is None after the last.
    Tasks that are enqueued, taken or ended between two pages may be missing, or come twice. A
    broker that can not list its tasks, as that for SQS, gives those that run.
    """
    if state is not None and state not in UNFINISHED_STATES:
        expected = ", ".join(map(repr, UNFINISHED_STATES))
        raise PackageError(f"'state' must be one of {expected}; got {shown(state)}.")
    limit = normalize_option("limit", limit, COUNT_TYPE, "'limit'")
    if not limit:
        raise PackageError(f"'limit' must be a whole number from 1 to {MAX_INTEGER}; got 0.")
    broker = broker_for(queue)
    label, running = queue_label(broker.list_key), running_tasks(broker)
    if not lists_tasks(broker):
        return list_running(label, state, running)
    page, kept_ids, states = Page(), set(), listed_states(state)
    for cursor, queued in walk(broker, states, after, limit):
        task = from_broker(queued, label, running)
        if task.id in kept_ids:  # pushed while this list is made
            continue
        if states[int(cursor[0])] == OUTBOX:
            kept_ids.add(task.id)
        if state in (None, task.state):
            page.append(task)
        if len(page) == limit:
            page.next = cursor
            break
    return page


def count_unfinished(queue: str | None = None) -> QueueCounts:
    """Count the tasks of a queue: (waiting, delayed, leased, oldest).

    Without a name it is the queue of this process's cluster. Leased ones run, or wait in the
    cluster that has taken them. ``oldest`` is for how many seconds the oldest one has waited;
    None where none waits, or the broker does not know it. Where plain tasks wait on Redis it is
    the age of the first one in the list of those that wait.
    """
    return counts_of(broker_for(queue))


def counts_of(broker: Broker) -> QueueCounts:
    """Count the tasks of a broker's queue; see ``count_unfinished``."""
    kept = count_rows(broker.list_key) if Conf.OUTBOX else 0
    counts = QueueCounts(*broker.count_tasks())
    counts = counts._replace(waiting=counts.waiting + kept) if kept else counts
    if counts.oldest is not None or not counts.waiting:
        return counts
    ages = [age_of(queued) for queued in broker.list_tasks(WAITING, limit=1)]
    return counts._replace(oldest=max(filter(None, ages), default=None))


def age_of(queued: QueuedTask) -> float | None:
    """Return for how many seconds a task has waited; None where nobody knows it."""
    since = from_broker(queued, "", {}).since
    return max((datetime.now(timezone.utc) - since).total_seconds(), 0) if since else None


def queue_names() -> list[str]:
    """List the queues that have tasks, by the names that the option ``cluster`` takes."""
    names = {queue_label(key) for key in list_keys()} if Conf.OUTBOX else set()
    return sorted(names.union(map(queue_label, broker_for(None).queue_names())))


def broker_for(queue: str | None) -> Broker:
    """Find the broker of a queue, with all methods that are needed here."""
    return adapt_broker(shared_broker(normalize_option("queue", queue, QUEUE_NAME_TYPE, "'queue'")))


def normal_id(task_id: Any) -> str:
    """Convert the id of a task: a UUID may be written with dashes."""
    name = storable_key(named_task(task_id))
    return name.replace("-", "").lower() if DASHED_ID.fullmatch(name) else name


def has_row(task_id: str) -> bool:
    """Return True if the end of a task is saved, and it is not run again since."""
    return Task.objects.filter(HAS_ENDED, id=task_id).order_by().exists()


def is_cached(task_id: str, queue: str) -> bool:
    """Return True if the end of a task is in the cache; False while the cache is away."""
    try:
        return CachedResults.of(shared_broker(queue)).result(task_id) is not None
    except Exception as error:  # whatever a cache raises
        contain_error(error)
        logger.debug("the cache was not asked whether a task has ended: %s", error_summary(error))
        return False


def find_queued(task_id: str, broker: Broker) -> tuple[str, QueuedTask] | None:
    """Find a task in the queue of a broker, with the name of the queue."""
    found = broker.find(task_id)
    return (queue_label(broker.list_key), found) if found else None


def find_anywhere(task_id: str, broker: Broker) -> tuple[str, QueuedTask] | None:
    """Find a task in the other queues of a broker's server, with the name of its queue."""
    answers = ask_other_queues(broker, lambda other: find_queued(task_id, other))
    return next(filter(None, answers), None)


def running_tasks(broker: Broker) -> dict[str, dict[str, Any]]:
    """Read from the heartbeats what the workers of all clusters run, by the id of the task."""
    return {
        task["id"]: {**task, "queue": stat.queue}
        for stat in Stat.get_all(broker)
        for task in stat.running
    }


def lists_tasks(broker: Broker) -> bool:
    """Return True if a broker can list its tasks."""
    kind = type(getattr(broker, "broker", broker))
    return getattr(kind, "list_tasks", Broker.list_tasks) is not Broker.list_tasks


def list_running(label: str, state: str | None, running: Mapping[str, dict[str, Any]]) -> Page:
    """List the tasks of a queue that run, for a broker that can not list its tasks."""
    runs = running.values() if state in (None, RUNNING) else ()
    return Page(from_heartbeat(run, label) for run in runs if run["queue"] == label)


def walk(
    broker: Broker, states: tuple[str | None, ...], after: str | None, limit: int
) -> Iterator[tuple[str, QueuedTask]]:
    """Yield the tasks of some states of a broker, each with the cursor of its place."""
    match = CURSOR.fullmatch(after or "0:") if isinstance(after or "", str) else None
    if match is None or int(match[1]) >= len(states):
        raise PackageError(f"'after' must be the .next of a page of this list; got {shown(after)}.")
    start, cursor = int(match[1]), match[2]
    for index in range(start, len(states)):
        while page := list_state(broker, states[index], cursor, limit):
            for task in page:
                yield f"{index}:{task.cursor}", task
            if page[-1].cursor == cursor:  # a broker that gives no cursors
                break
            cursor = page[-1].cursor
        cursor = ""


def listed_states(state: str | None) -> tuple[str | None, ...]:
    """Return where the tasks of a state are looked for: in the order in which they move."""
    states = BROKER_STATES[state]
    return (OUTBOX, *states) if Conf.OUTBOX and state in (None, WAITING) else states


def list_state(broker: Broker, state: str | None, cursor: str, limit: int) -> Sequence[QueuedTask]:
    """List tasks of a state of the broker, or those of its queue that are in the outbox."""
    if state != OUTBOX:
        return broker.list_tasks(state, cursor, limit)
    return [queued_row(row) for row in list_rows(broker.list_key, cursor, limit)]


def queued_row(row: OutboxTask) -> QueuedTask:
    """Describe a row of the outbox as a task that waits."""
    return QueuedTask(row.payload, WAITING, row.task_id, cursor=row.key)
