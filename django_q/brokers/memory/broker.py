"""The broker whose queues are in the memory of one process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django_q.brokers.base import ONCE_KEY_GRACE_SECONDS, ONCE_KEY_SECONDS, Broker, Delivery
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import NOTICE_SECONDS, ORDERS, Notices, QueueControl
from django_q.brokers.heartbeats import matches_pattern
from django_q.brokers.memory.queue import HEARTBEATS, LOCK, QUEUES, MemoryQueue, number_in
from django_q.brokers.terms import (
    BROKER_OPTIONS,
    DELAYED,
    LEASED,
    WAITING,
    Enqueued,
    QueueCounts,
    QueuedTask,
    Terms,
)
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable
from django_q.queues import Flag


class Memory(Broker):
    """A queue that threads of one process share; ``Broker`` says what each method is for.

    ``now`` is the clock of the queue of that name, in seconds since the epoch.
    """

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"\d+\.\d+"
    is_process_local, serves = True, BROKER_OPTIONS
    keeps_state, obeys = True, ORDERS
    #: Where queues and heartbeats are, by name.
    queues, heartbeats = QUEUES, HEARTBEATS

    def __init__(self, list_key: str | None = None, now: Callable[[], float] | None = None) -> None:
        super().__init__(list_key)
        with self.queue() as queue:
            queue.now = now or queue.now

    @contextmanager
    def queue(self) -> Iterator[MemoryQueue]:
        """Give the queue of this name, locked."""
        with LOCK:
            yield self.queues.setdefault(self.list_key, MemoryQueue())

    def enqueue(self, payload: str | bytes, delay: float = 0) -> int:
        with self.queue() as queue:
            return queue.add(payload, delay)

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[int]:
        payloads = list(payloads)  # whatever the iterable raises, none of them is added
        with self.queue() as queue:
            return [queue.add(payload) for payload in payloads]

    def enqueue_once(self, payload: str | bytes, key: str, terms: Terms | None = None) -> bool:
        with self.queue() as queue:
            now = queue.now()
            if queue.once.get(key, now):
                return False
            is_new = queue.add_task(payload, terms).is_new if terms else bool(queue.add(payload))
            if is_new:
                queue.once.set(key, True, now + ONCE_KEY_SECONDS, now)
            return is_new

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        tasks = list(tasks)  # as above
        with self.queue() as queue:
            return [queue.add_task(*task) for task in tasks]

    def replace_task(self, version: str, payload: str | bytes, terms: Terms) -> bool:
        with self.queue() as queue:
            return queue.replace(version, payload, terms)

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        with self.queue() as queue:
            return queue.find_duplicate(terms)

    def find(self, task_id: str) -> QueuedTask | None:
        with self.queue() as queue:
            message = queue.find(task_id)
            return message and queue.describe(message)

    def list_tasks(
        self, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[QueuedTask]:
        with self.queue() as queue:
            tasks = [
                queue.describe(each)
                for number, each in queue.messages.items()
                if number > int(after or 0)
            ]
        return [each for each in tasks if state in (None, each.state)][:limit]

    def count_tasks(self) -> QueueCounts:
        with self.queue() as queue:
            tasks, now = map(queue.describe, queue.messages.values()), queue.now()
            by_state: dict[str, list[QueuedTask]] = {WAITING: [], DELAYED: [], LEASED: []}
            for each in tasks:
                by_state[each.state].append(each)
        oldest = max((now - each.since for each in by_state[WAITING]), default=None)
        return QueueCounts(*map(len, by_state.values()), oldest)

    def queue_names(self) -> list[str]:
        with LOCK:
            return sorted(name for name, queue in self.queues.items() if queue.messages)

    def release_once_keys(
        self, keys: Iterable[str], seconds: float = ONCE_KEY_GRACE_SECONDS
    ) -> None:
        with self.queue() as queue:
            now = queue.now()
            for key in keys:
                if queue.once.get(key, now):
                    queue.once.set(key, True, now + seconds, now)

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        end = self.wait_deadline(wait)
        while not (deliveries := self.take(limit)):
            left = end - time.monotonic()
            if left <= 0 or not self.wait(left):
                return []
        return deliveries

    def take(self, limit: int) -> list[Delivery]:
        """Lease what is due."""
        with self.queue() as queue:
            taken, now = queue.takable(limit, self.cluster_id), queue.now()
            self.is_held = not taken and not queue.room(self.cluster_id)
            self.seen_notices_version = queue.orders.version
            if taken:
                queue.lease(taken, Conf.RETRY)
            return [
                Delivery(
                    each.receipt,
                    each.payload,
                    each.attempts,
                    None if each.expires == math.inf else each.expires - now,
                    each.kept if any(each.kept) else None,
                )
                for each in taken
            ]

    def wait(self, seconds: float) -> bool:
        """Wait until there may be something to take; False when ``wake_fd`` has ended that."""
        waiter = Flag()
        with self.queue() as queue:
            if queue.takable(1, self.cluster_id):  # since the last take
                return True
            queue.waiters.add(waiter)
            now = queue.now()
            later = (each.due for each in queue.messages.values() if each.due > now)
            pause = min(seconds, min(later, default=math.inf) - now)
        woken = wait_until_readable([waiter, self.wake_fd], pause)
        with self.queue() as queue:
            queue.waiters.discard(waiter)
        return self.wake_fd is None or self.wake_fd not in woken

    def acknowledge(self, ack_id: str) -> bool:
        with self.queue() as queue:
            return bool(queue.end(queue.held([ack_id])[0]))

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        with self.queue() as queue:
            messages, stale = queue.held(ack_ids)
            for message in messages:
                message.due = queue.now() + seconds
            queue.wake()
            return stale

    def release(
        self,
        ack_ids: Iterable[str],
        delay: float = 0,
        count: bool = True,
        states: Mapping[str, KeptState] | None = None,
    ) -> set[str]:
        with self.queue() as queue:
            messages, stale = queue.held(ack_ids)
            queue.release(messages, delay, count, states or {})
            return stale

    def keep_state(self, states: Mapping[str, KeptState]) -> set[str]:
        with self.queue() as queue:
            messages, stale = queue.held(states)
            for message in messages:
                message.keep(states[message.receipt]._replace(cancelled=""))
            return stale

    def kept_state(self, ack_id: str) -> KeptState | None:
        with self.queue() as queue:
            messages, _stale = queue.held([ack_id])
            return messages[0].kept if messages and any(messages[0].kept) else None

    def cancel_task(self, task_id: str, mark: str) -> str | None:
        with self.queue() as queue:
            return queue.cancel(task_id, mark)

    def post_notice(self, key: str, text: str, seconds: float = NOTICE_SECONDS) -> None:
        with self.queue() as queue:
            queue.orders.post(key, text, seconds, queue.now(), self.max_notices)

    def withdraw_notices(self, keys: Iterable[str]) -> int:
        with self.queue() as queue:
            return queue.orders.withdraw(keys, queue.now())

    def notices(self) -> Notices:
        with self.queue() as queue:
            return queue.orders.notices(queue.now())

    def notices_version(self) -> int:
        with self.queue() as queue:
            return queue.orders.version

    def pause(self, cluster_id: str = "") -> None:
        with self.queue() as queue:
            queue.orders.pause(cluster_id)

    def resume(self, cluster_id: str = "") -> bool:
        with self.queue() as queue:
            queue.wake()
            return queue.orders.resume(cluster_id)

    def set_limit(self, limit: int | None) -> None:
        with self.queue() as queue:
            queue.orders.set_limit(limit)
            queue.wake()

    def control(self) -> QueueControl:
        with self.queue() as queue:
            return queue.orders.control

    def read(self, ack_id: str) -> str | bytes | None:
        with self.queue() as queue:
            return next((message.payload for message in queue.held([ack_id])[0]), None)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        with self.queue() as queue:
            if queue.end(queue.held([ack_id])[0]):
                queue.dead.append(payload)

    def dead_size(self) -> int:
        with self.queue() as queue:
            return len(queue.dead)

    def queue_size(self) -> int:
        with self.queue() as queue:
            return len(queue.due())

    def lock_size(self) -> int:
        with self.queue() as queue:
            return len(queue.messages) - len(queue.due())

    def delete_queue(self) -> int:
        with self.queue() as queue:
            return queue.remove(queue.messages.values())

    def purge_queue(self) -> int:
        with self.queue() as queue:
            now = queue.now()
            return queue.remove(
                each for each in queue.messages.values() if not each.attempts or each.due <= now
            )

    def delete(self, ack_id: Any) -> bool:
        with self.queue() as queue:
            message = queue.messages.get(number_in(ack_id))
            return bool(message and queue.remove([message]))

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        with self.queue() as queue:
            self.heartbeats[key] = (value, queue.now() + timeout)

    def get_stat(self, key: str) -> str | None:
        return next(iter(self.get_stats(key)), None)

    def get_stats(self, pattern: str) -> list[str]:
        with self.queue() as queue:
            now, found = queue.now(), self.heartbeats.items()
            return [v for key, (v, end) in found if end >= now and matches_pattern(key, pattern)]
