"""Cancel one task, the tasks of a group, or all of a queue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import CANCEL_ORDER, REMOVED, REQUESTED
from django_q.brokers.other_queues import ask_other_queues, queue_label
from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.orders.notices import CancelOrder, withdraw_quietly
from django_q.outbox.rows import find_row, list_keys
from django_q.status import Stat
from django_q.task_state.cancellation import QUEUE_KEY, group_key, task_key
from django_q.unfinished.queues import is_foreign
from django_q.unfinished.reading import (
    broker_for,
    has_row,
    is_cached,
    normal_id,
    running_tasks,
)
from django_q.wire.option_types import shown
from django_q.wire.options import LABEL_TYPE, normalize_option

#: What became of a task that is to be cancelled: it had ended before; or it was not found.
ENDED, UNKNOWN = "ended", "unknown"
#: Characters of the id of a task at most.
MAX_ID_LENGTH = 32


def cancel(
    task_id: str | UUID | None = None,
    *,
    group: str | None = None,
    queue: str | None = None,
    reason: str = "",
    by: str | None = None,
) -> str:
    """Cancel a task by its id, the tasks of a group, or all tasks of a queue.

    A cancelled task is a failure, with all that follows from one: it is not run, or is interrupted
    by ``TaskCancelled``, and is never tried again. ``by`` and ``reason`` are told in its result;
    without ``by`` that names this process. Returns

    - "removed": it waited, and never begins;
    - "requested": the clusters were told. A task that one of them holds may still end as it likes;
      one of the outbox is cancelled when it has been pushed. For a group or a queue always that;
    - "ended": it had ended before;
    - "unknown": it was not found. The order stands for seven days all the same: a plain task that
      waits on Redis can not be found by its id, and is cancelled when a cluster takes it from the
      queue named, or else from that of this process's cluster.

    To look in any queue takes a search of the server for queues: name the one you know. An order
    for a group or a queue is for the tasks that were enqueued before it, and all later links of
    their chains; that for a group goes to all queues of the project that have tasks or clusters.
    Inside a transaction it does not wait for the commit.
    """
    group = normalize_option("group", group, LABEL_TYPE, "'group'")
    if (task_id is None) == (group is None) and (group is not None or queue is None):
        raise PackageError(
            "cancel() takes the id of a task, or group=, or queue= alone; got "
            f"{shown(task_id)}, group={shown(group)}, queue={shown(queue)}."
        )
    order = make_order(by, reason)
    broker = broker_for(queue)
    if CANCEL_ORDER not in broker.obeys:
        raise broker.unsupported(CANCEL_ORDER)
    if task_id is not None:
        return cancel_task(checked_id(task_id), broker, queue, order)
    if queue is not None:
        order.post(broker, QUEUE_KEY if group is None else group_key(group))
    else:
        post_everywhere(order, group_key(group), broker)
    return REQUESTED


def make_order(by: Any, reason: Any) -> CancelOrder:
    """Make the order of somebody. Raises ``PackageError`` for what is no text."""
    given = {
        "by": normalize_option("by", by, LABEL_TYPE, "'by'"),
        "reason": normalize_option("reason", reason, LABEL_TYPE, "'reason'"),
    }
    return CancelOrder(**{name: text for name, text in given.items() if text})


def checked_id(task_id: Any) -> str:
    """Convert the id of a task. Raises ``PackageError`` for what can not be one."""
    name = normal_id(task_id)
    if not 0 < len(name) <= MAX_ID_LENGTH:
        raise PackageError(
            f"The id of a task has 1 to {MAX_ID_LENGTH} characters, or is a UUID; "
            f"got {shown(task_id)}."
        )
    return name


def cancel_task(task_id: str, broker: Broker, queue: str | None, order: CancelOrder) -> str:
    """Cancel a task in the queue that is named, or else in any."""
    label = queue_label(broker.list_key)
    if has_ended(task_id, label):
        return ENDED
    # Before the broker is asked: from the outbox a task goes there.
    kept = find_row(task_id) if Conf.OUTBOX else None
    found = cancel_queued(task_id, broker, order)
    if not found and queue is None:
        answers = ask_other_queues(broker, lambda other: cancel_queued(task_id, other, order))
        found = next(filter(None, answers), None)
    kept_in = kept and queue_label(kept.list_key)
    answer, label = found or cancel_unqueued(task_id, broker, queue, order, kept_in)
    if answer != REMOVED and has_ended(task_id, label):  # meanwhile
        withdraw_quietly(broker_for(label), [task_key(task_id)])
        return ENDED
    return answer


def has_ended(task_id: str, queue: str) -> bool:
    """Return True if the result of a task is there, in the database or in the cache."""
    return has_row(task_id) or is_cached(task_id, queue)


def cancel_queued(task_id: str, broker: Broker, order: CancelOrder) -> tuple[str, str] | None:
    """Cancel a task that the broker of a queue finds. Returns the answer, and the queue's name.

    Whoever holds it reads the notice; whoever takes it later, the mark.
    """
    if CANCEL_ORDER not in broker.obeys:
        return None
    answer = broker.cancel_task(task_id, order.mark(task_id))
    if answer == REQUESTED:
        order.post(broker, task_key(task_id))
    return (answer, queue_label(broker.list_key)) if answer else None


def cancel_unqueued(
    task_id: str, broker: Broker, queue: str | None, order: CancelOrder, kept_in: str | None
) -> tuple[str, str]:
    """Cancel a task that no broker finds: it runs by the heartbeats, was in the outbox, or neither.

    One of the outbox is cancelled by the cluster that takes it when it has been pushed.
    """
    run = running_tasks(broker).get(task_id)
    place = run["queue"] if run else kept_in
    is_here = place is not None and queue in (None, place)
    holder = broker_for(place or queue) if is_here else broker
    order.post(holder, task_key(task_id))
    return REQUESTED if is_here else UNKNOWN, queue_label(holder.list_key)


def post_everywhere(order: CancelOrder, key: str, broker: Broker) -> None:
    """Post a notice in all queues of the project: those that have tasks, or clusters."""

    def post_in(other: Broker) -> str | None:
        label = queue_label(other.list_key)
        if label not in served and is_foreign(other):
            return None
        order.post(other, key)
        return label

    served = {stat.queue for stat in Stat.get_all(broker) if stat.queue}
    if Conf.OUTBOX:
        served.update(map(queue_label, list_keys()))
    order.post(broker, key)
    told = {queue_label(broker.list_key), *ask_other_queues(broker, post_in)}
    for label in sorted(served - told):
        order.post(broker_for(label), key)
