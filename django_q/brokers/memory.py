"""Queues in the memory of one process: for tests of projects, and as the model of all brokers."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django_q.brokers.base import ONCE_KEY_GRACE_SECONDS, ONCE_KEY_SECONDS, Broker, Delivery
from django_q.brokers.heartbeats import matches_pattern
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable
from django_q.queues import Flag


@dataclass
class Message:
    """A payload in a queue."""

    number: int  #: its id, and its place among what is due at the same time
    payload: str | bytes
    due: float  #: by the queue's clock: when it may be delivered, which ends its lease
    fence: int = 0  #: changes with each delivery and release: an older receipt is stale
    attempts: int = 0  #: deliveries that count

    @property
    def receipt(self) -> str:
        """The receipt of the delivery that holds it."""
        return f"{self.number}.{self.fence}"


@dataclass
class MemoryQueue:
    """What is kept under one name."""

    now: Callable[[], float] = time.monotonic  #: the clock, in seconds
    last_number: int = 0  #: never given again, so a receipt stays stale
    messages: dict[int, Message] = field(default_factory=dict)  #: by number
    dead: list[str | bytes] = field(default_factory=list)  #: payloads that could not be read
    once: dict[str, float] = field(default_factory=dict)  #: until when a key is remembered
    waiters: set[Flag] = field(default_factory=set)  #: to set one ends a wait

    def add(self, payload: str | bytes, delay: float = 0) -> int:
        """Put a payload at the end; returns its number."""
        self.last_number += 1
        due = self.now() + max(delay, 0)
        self.messages[self.last_number] = Message(self.last_number, payload, due)
        self.wake()
        return self.last_number

    def due(self) -> list[Message]:
        """List what may be delivered now, in the order of delivery."""
        now = self.now()
        due = [message for message in self.messages.values() if message.due <= now]
        return sorted(due, key=lambda message: (message.due, message.number))

    def held(self, receipts: Iterable[str]) -> tuple[list[Message], set[str]]:
        """Find what deliveries hold. Returns that, and the receipts that are stale."""
        held, stale = [], set()
        for receipt in receipts:
            message = self.messages.get(number_in(receipt))
            if message and message.receipt == receipt:
                held.append(message)
            else:
                stale.add(receipt)
        return held, stale

    def remove(self, messages: Iterable[Message]) -> int:
        """Take messages out; how many."""
        return len([self.messages.pop(message.number) for message in list(messages)])

    def wake(self) -> None:
        """Let those who wait look again."""
        while self.waiters:
            self.waiters.pop().set()


def number_in(ack_id: Any) -> int:
    """Read the number of a message from a receipt, or from the number itself."""
    return int(str(ack_id).partition(".")[0])


#: Guards all that follows.
LOCK = threading.RLock()
#: The queues of this process, by name: brokers for one name share a queue, and its clock.
QUEUES: dict[str, MemoryQueue] = {}
#: Heartbeats, and until when each is kept.
HEARTBEATS: dict[str, tuple[str, float]] = {}


def clear_queues() -> None:
    """Forget all queues and heartbeats of this process, between two tests."""
    with LOCK:
        QUEUES.clear()
        HEARTBEATS.clear()


class Memory(Broker):
    """A queue that threads of one process share; ``Broker`` says what each method is for.

    ``now`` is the clock of the queue of that name: seconds, monotonic unless one was given.
    """

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"\d+\.\d+"
    is_process_local = True

    def __init__(self, list_key: str | None = None, now: Callable[[], float] | None = None) -> None:
        super().__init__(list_key)
        with self.queue() as queue:
            queue.now = now or queue.now

    @contextmanager
    def queue(self) -> Iterator[MemoryQueue]:
        """Give the queue of this name, locked."""
        with LOCK:
            yield QUEUES.setdefault(self.list_key, MemoryQueue())

    def enqueue(self, payload: str | bytes, delay: float = 0) -> int:
        with self.queue() as queue:
            return queue.add(payload, delay)

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[int]:
        payloads = list(payloads)  # whatever the iterable raises, none of them is added
        with self.queue() as queue:
            return [queue.add(payload) for payload in payloads]

    def enqueue_once(self, payload: str | bytes, key: str) -> bool:
        with self.queue() as queue:
            if is_new := queue.once.get(key, -math.inf) <= queue.now():
                queue.once[key] = queue.now() + ONCE_KEY_SECONDS
                queue.add(payload)
            return is_new

    def release_once_keys(self, keys: Iterable[str]) -> None:
        with self.queue() as queue:
            end = queue.now() + ONCE_KEY_GRACE_SECONDS
            queue.once.update({key: end for key in keys if key in queue.once})

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
            taken = queue.due()[:limit]
            for message in taken:
                message.due = queue.now() + Conf.RETRY
                message.fence += 1
                message.attempts += 1
            return [Delivery(each.receipt, each.payload, each.attempts) for each in taken]

    def wait(self, seconds: float) -> bool:
        """Wait until there may be something to take; False when ``wake_fd`` has ended that."""
        waiter = Flag()
        with self.queue() as queue:
            queue.waiters.add(waiter)
            next_due = min((each.due for each in queue.messages.values()), default=math.inf)
            pause = max(0, min(seconds, next_due - queue.now()))
        woken = wait_until_readable([waiter, self.wake_fd], pause)
        with self.queue() as queue:
            queue.waiters.discard(waiter)
        return self.wake_fd is None or self.wake_fd not in woken

    def acknowledge(self, ack_id: str) -> bool:
        with self.queue() as queue:
            return bool(queue.remove(queue.held([ack_id])[0]))

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        with self.queue() as queue:
            messages, stale = queue.held(ack_ids)
            for message in messages:
                message.due = queue.now() + seconds
            queue.wake()
            return stale

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        with self.queue() as queue:
            messages, stale = queue.held(ack_ids)
            for message in messages:
                message.due = queue.now() + delay if delay > 0 else -math.inf  # first of all
                message.fence += 1
                message.attempts -= not count
            queue.wake()
            return stale

    def read(self, ack_id: str) -> str | bytes | None:
        with self.queue() as queue:
            return next((message.payload for message in queue.held([ack_id])[0]), None)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        with self.queue() as queue:
            if queue.remove(queue.held([ack_id])[0]):
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
            return queue.messages.pop(number_in(ack_id), None) is not None

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        with self.queue() as queue:
            HEARTBEATS[key] = (value, queue.now() + timeout)

    def get_stat(self, key: str) -> str | None:
        return next(iter(self.get_stats(key)), None)

    def get_stats(self, pattern: str) -> list[str]:
        with self.queue() as queue:
            now, found = queue.now(), HEARTBEATS.items()
            return [v for key, (v, end) in found if end >= now and matches_pattern(key, pattern)]
