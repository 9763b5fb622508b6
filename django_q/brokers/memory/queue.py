"""A queue in memory: its messages, their order, and the keys that only one of them has."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH, KeptState
from django_q.brokers.contract.orders import REMOVED, REQUESTED
from django_q.brokers.memory.orders import QueueOrders
from django_q.brokers.terms import (
    DELAYED,
    LEASED,
    OLDEST_FIRST_INTERVAL,
    WAITING,
    Enqueued,
    QueuedTask,
    Terms,
)
from django_q.queues import Flag

#: So many keys may be there before those that have ended are looked for.
MIN_KEYS_TO_CLEAN = 1000


@dataclass
class Message:
    """A payload in a queue."""

    number: int  #: its id, and its place among what is due at the same time
    payload: str | bytes
    due: float  #: by the queue's clock: when it may be delivered, which ends its lease
    since: float  #: when it was enqueued
    terms: Terms | None = None
    expires: float = math.inf  #: when it must not be begun any more
    is_leased: bool = False  #: though the lease may have ended since
    fence: int = 0  #: changes with each delivery and release: an older receipt is stale
    attempts: int = 0  #: deliveries that count
    kept: KeptState = field(default_factory=KeptState)  #: stays until the task has ended

    @property
    def receipt(self) -> str:
        """The receipt of the delivery that holds it."""
        return f"{self.number}.{self.fence}"

    @property
    def priority(self) -> int:
        """The priority of its terms; without any it counts as 0."""
        return self.terms.priority if self.terms else 0

    @property
    def unique(self) -> str:
        """The key that no other message has."""
        return self.terms.unique if self.terms else ""

    @property
    def is_marked(self) -> bool:
        """Whether the task is cancelled, and only to be completed as that."""
        return bool(self.kept.cancelled)

    def order(self) -> tuple:
        """Return what messages that are due are sorted by.

        First come those that are cancelled; then those whose lease was lost, and of those without
        terms also what was delayed or released. All else comes by priority, then by age.
        """
        if self.is_marked:
            return (-1, 0, 0, self.number)
        if self.is_leased or (self.terms is None and self.due != self.since):
            return (0, 0, self.due, self.number)
        return (1, -self.priority, 0, self.number)

    def state(self, now: float) -> str:
        """Return its state at a time."""
        if self.due <= now:
            return WAITING
        return LEASED if self.is_leased else DELAYED

    def keep(self, state: KeptState) -> None:
        """Keep texts beside the payload, but for empty ones, and those that are too long."""
        pairs = zip(state, self.kept, strict=True)
        texts = [new if 0 < len(new) <= MAX_STATE_LENGTH else old for new, old in pairs]
        self.kept = KeptState(*texts)


@dataclass
class ExpiringKeys:
    """Values that are kept for a time each, by key."""

    entries: dict[str, tuple[Any, float]] = field(default_factory=dict)  #: value, and its end
    clean_at: int = MIN_KEYS_TO_CLEAN  #: so many entries are looked through for those that ended

    def set(self, key: str, value: Any, end: float, now: float) -> None:
        """Keep a value until ``end``; now and then drop those that have ended."""
        self.entries[key] = (value, end)
        if len(self.entries) >= self.clean_at:
            self.entries = {k: entry for k, entry in self.entries.items() if entry[1] > now}
            self.clean_at = max(MIN_KEYS_TO_CLEAN, 2 * len(self.entries))

    def get(self, key: str, now: float) -> Any:
        """Return the value of a key; None when there is none, or it has ended."""
        value, end = self.entries.get(key, (None, -math.inf))
        return value if end > now else None


@dataclass
class MemoryQueue:
    """What is kept under one name."""

    now: Callable[[], float] = time.time  #: the clock, in seconds since the epoch
    last_number: int = 0  #: never given again, so a receipt stays stale
    takes: int = 0  #: that found something
    messages: dict[int, Message] = field(default_factory=dict)  #: by number
    dead: list[str | bytes] = field(default_factory=list)  #: payloads that could not be read
    once: ExpiringKeys = field(default_factory=ExpiringKeys)  #: of ``enqueue_once``
    #: Ids of tasks that may have ended, by their idempotency or unique key.
    kept: ExpiringKeys = field(default_factory=ExpiringKeys)
    waiters: set[Flag] = field(default_factory=set)  #: to set one ends a wait
    orders: QueueOrders = field(default_factory=QueueOrders)

    def add(self, payload: str | bytes, delay: float = 0, terms: Terms | None = None) -> int:
        """Put a payload at the end; returns its number."""
        self.last_number += 1
        message = Message(self.last_number, payload, due=0, since=self.now())
        self.set_terms(message, payload, delay, terms, message.since)
        self.messages[message.number] = message
        self.wake()
        return message.number

    def set_terms(
        self,
        message: Message,
        payload: str | bytes,
        delay: float,
        terms: Terms | None,
        now: float,
    ) -> None:
        """Set payload and terms of a message that nobody holds."""
        message.payload, message.terms = payload, terms
        message.due, message.expires = now + max(delay, 0), math.inf
        if not terms:
            return
        if terms.due_at is not None:
            message.due = max(now, terms.due_at)
        if terms.expires_in is not None:
            message.expires = now + terms.expires_in
        if terms.expires_at is not None:
            message.expires = terms.expires_at
        key, end = terms.idempotency, now + terms.idempotency_for
        if key and end > now and not self.kept.get(key, now):
            self.kept.set(key, terms.task_id, end, now)

    def add_task(self, payload: str | bytes, terms: Terms) -> Enqueued:
        """Put a payload with terms at the end, unless another task has one of its keys."""
        if found := self.find_duplicate(terms):
            return found
        self.add(payload, terms.delay, terms)
        return Enqueued(terms.task_id)

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        """Find what keeps a task with these terms from being enqueued.

        Where several tasks do, that is the first of: who has the idempotency key, who waits with
        the unique key, who is leased with it, who has ended with it. One that is cancelled waits
        for nothing but its end, as those that are leased.
        """
        now = self.now()
        if task_id := self.kept.get(terms.idempotency, now):
            return Enqueued(task_id, is_new=False)
        if not terms.unique:
            return None
        holders = [each for each in self.messages.values() if each.unique == terms.unique]
        for holder in reversed(holders):
            if holder.state(now) != LEASED and not holder.is_marked:
                return Enqueued(holder.terms.task_id, is_new=False, version=holder.receipt)
        if holders and not terms.is_successor:
            return Enqueued(holders[0].terms.task_id, is_new=False)
        if task_id := self.kept.get(terms.unique, now):
            return Enqueued(task_id, is_new=False)
        return None

    def replace(self, version: str, payload: str | bytes, terms: Terms) -> bool:
        """Replace payload and terms of a message that waits, if ``version`` is still its own."""
        now, (found, _stale) = self.now(), self.held([version])
        if not found or found[0].state(now) == LEASED or found[0].is_marked:
            return False
        (message,) = found
        message.fence += 1
        message.attempts, message.is_leased, message.kept = 0, False, KeptState()
        self.set_terms(message, payload, terms.delay, terms, now)
        self.wake()
        return True

    def due(self) -> list[Message]:
        """List what may be delivered now, in the order of delivery."""
        now = self.now()
        first: dict[str, Message] = {}  # of each unique key: the second waits until it has ended
        for each in self.messages.values():
            first.setdefault(each.unique, each)
        due = [
            each
            for each in self.messages.values()
            if each.due <= now and (not each.unique or each.is_marked or first[each.unique] is each)
        ]
        due.sort(key=Message.order)
        if due and self.takes % OLDEST_FIRST_INTERVAL == OLDEST_FIRST_INTERVAL - 1:
            oldest = min(due, key=lambda each: each.number)
            due.sort(key=lambda each: (not each.is_marked, each is not oldest))
        return due

    def takable(self, limit: int, cluster_id: str) -> list[Message]:
        """List what a cluster may take now, in the order of delivery.

        What is cancelled may always be taken; it counts as leased for the limit of the queue.
        """
        due = self.due()
        marked = [each for each in due if each.is_marked][:limit]
        others = [each for each in due if not each.is_marked]
        room = max(0, self.room(cluster_id) - len(marked))
        return marked + others[: min(room, limit - len(marked))]

    def room(self, cluster_id: str) -> int:
        """Return how many more tasks a cluster may lease."""
        now = self.now()
        states = [each.state(now) for each in self.messages.values()]
        return self.orders.room(cluster_id, states.count(LEASED))

    def cancel(self, task_id: str, mark: str) -> str | None:
        """Mark a task as cancelled; one that nobody may hold is due, and has no unique key."""
        message = self.find(task_id)
        if message is None:
            return None
        if not message.is_marked:
            message.keep(KeptState(cancelled=mark))
        if message.is_leased:  # also if the lease is lost: its holder may go on
            return REQUESTED
        message.due = min(message.due, self.now())
        message.fence += 1  # it can not be replaced any more
        message.terms = message.terms._replace(unique="")
        self.wake()
        return REMOVED

    def find(self, task_id: str) -> Message | None:
        """Find a message with terms by the id of its task; None where there is none."""
        found = (e for e in self.messages.values() if e.terms and e.terms.task_id == task_id)
        return next(found, None)

    def release(
        self, messages: Iterable[Message], delay: float, count: bool, states: Mapping
    ) -> None:
        """End leases, for deliveries after a delay; what is cancelled is due at once."""
        for message in messages:
            message.keep(states.get(message.receipt, KeptState())._replace(cancelled=""))
            later = delay > 0 and not message.is_marked
            message.due = self.now() + delay if later else -math.inf  # first of all
            message.is_leased = False
            message.fence += 1
            message.attempts -= not count
        self.wake()

    def lease(self, messages: Iterable[Message], seconds: float) -> None:
        """Lease messages that are due, which is one take."""
        self.takes += 1
        for message in messages:
            message.due, message.is_leased = self.now() + seconds, True
            message.fence += 1
            message.attempts += 1

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
        """Take messages out; how many. What waited for the end of one may be due now."""
        count = len([self.messages.pop(message.number) for message in list(messages)])
        self.wake()
        return count

    def end(self, messages: Iterable[Message]) -> int:
        """Take out messages whose tasks have ended; some keep their unique key for a time."""
        messages, now = list(messages), self.now()
        for message in messages:
            if message.unique and message.terms.unique_for > 0:
                end = now + message.terms.unique_for
                self.kept.set(message.unique, message.terms.task_id, end, now)
        return self.remove(messages)

    def describe(self, message: Message) -> QueuedTask:
        """Describe an unfinished task."""
        state = message.state(self.now())
        return QueuedTask(
            message.payload,
            state,
            message.terms.task_id if message.terms else "",
            message.priority,
            message.attempts,
            message.since,
            None if state == WAITING else message.due,
            None if message.expires == math.inf else message.expires,
            str(message.number),
            message.kept if any(message.kept) else None,
        )

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
