"""The side of the Redis broker that takes, and waits for what it may take."""

from __future__ import annotations

import time
from functools import cached_property
from itertools import repeat

from django_q.brokers.base import Delivery
from django_q.brokers.redis import scripts
from django_q.brokers.redis.connections.queue_wait import (
    FULL,
    PAUSED,
    TASKS_DUE,
    QueueWaitConnection,
    open_wait_connection,
    wait_shortly,
)
from django_q.brokers.redis.kept_state import kept_state
from django_q.brokers.redis.orders import RedisOrders
from django_q.brokers.redis.producer import MAX_BLOCK_SECONDS, max_wait_seconds
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.terms import TASK_MARK, task_deliveries
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable

#: Seconds until a queue that is held back is asked again: at its limit, at first; and at most.
HELD_POLL_SECONDS = (0.01, 0.5)


class RedisTaker(RedisOrders):
    """Takes deliveries, with terms or without, unless the queue is held back."""

    #: Monotonic. Before that time only a push can bring something to take.
    _next_take_at = 0.0
    #: Whether the last take has given tasks with terms: then the next one begins with them.
    _has_tasks = False
    #: Seconds until the next take, as the last one has found the queue at its limit.
    _held_poll_seconds = HELD_POLL_SECONDS[0]

    @cached_property
    def take_keys(self) -> tuple[str, ...]:
        """The keys of take.lua: of plain tasks, and what tells whether to take those."""
        return (*self.task_keys[: len(self.keys) + 1], self.order_keys[0])

    @cached_property
    def take_task_keys(self) -> tuple[str, ...]:
        """The keys with which tasks with terms are taken."""
        return (*self.task_keys, self.order_keys[0])

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take deliveries; see ``Broker.dequeue``."""
        end = self.wait_deadline(wait)
        while True:
            pause = min(end, self._next_take_at) - time.monotonic()
            # Of a queue that is held back, a wait for its list would end at once.
            seconds = pause if self.is_held else 0
            if pause > 0 and wait_until_readable([self.wake_fd], seconds):
                return []
            is_to_wait = pause > 0 and not self.is_held
            deliveries = self._wait_and_take(limit, pause) if is_to_wait else self._take(limit)
            if deliveries or end <= time.monotonic():
                return deliveries

    def _take(self, limit: int) -> list[Delivery]:
        """Take up to ``limit`` deliveries without waiting."""
        if self._has_tasks:
            return self._take_tasks(limit)
        args = self._take_arguments(limit)
        return self._deliveries(scripts.take.run(self.connection, self.take_keys, *args), limit)

    def _take_arguments(self, limit: int) -> tuple[int, int, str]:
        """Give the arguments of the scripts that take, see lua/deliveries/leasing.lua."""
        return limit, microseconds(Conf.RETRY), self.cluster_id

    def _take_tasks(self, limit: int) -> list[Delivery]:
        """Take tasks with terms, and plain ones."""
        next_end, self.seen_notices_version, taken = scripts.take_tasks.run(
            self.connection, self.take_task_keys, *self._take_arguments(limit)
        )
        deliveries = task_deliveries(taken)
        self._has_tasks = any(each.ack_id[0] == TASK_MARK for each in deliveries)
        self._note_next_take(next_end, len(deliveries) < limit)
        return deliveries

    def _deliveries(self, taken: list, limit: int) -> list[Delivery]:
        """Read the reply of the take script, and note when there may be more to take."""
        next_end, redelivered, first, new, version = taken
        if next_end == TASKS_DUE:
            return self._take_tasks(limit)
        self.seen_notices_version = version
        receipts = map(str, range(first, first + len(new)))
        deliveries = list(map(Delivery, receipts, new, repeat(1)))
        if redelivered:
            old = zip(*(redelivered[start::4] for start in range(4)), strict=True)
            deliveries[:0] = [
                Delivery(ack_id.decode(), payload, attempt, state=kept_state(kept))
                for ack_id, payload, attempt, kept in old
            ]
        self._note_next_take(next_end, len(deliveries) < limit)
        return deliveries

    def _note_next_take(self, next_end: int, is_all: bool) -> None:
        """Note when there may be more to take: ``next_end`` is in microseconds, -1 for never."""
        self.is_held = next_end in (PAUSED, FULL)
        if self.is_held:
            self._next_take_at = time.monotonic() + self._held_poll(next_end)
            return
        self._held_poll_seconds = HELD_POLL_SECONDS[0]
        due = next_end / 1e6 if next_end >= 0 else MAX_BLOCK_SECONDS
        self._next_take_at = time.monotonic() + min(due, max_wait_seconds()) if is_all else 0

    def _held_poll(self, reply: int) -> float:
        """Return the seconds until a queue that is held back is asked again.

        One at its limit is asked soon, as its tasks may be short, and then ever later.
        """
        longest, seconds = HELD_POLL_SECONDS[1], self._held_poll_seconds
        if reply == PAUSED:
            return longest
        self._held_poll_seconds = min(2 * seconds, longest)
        return seconds

    def _wait_and_take(self, limit: int, seconds: float) -> list[Delivery]:
        """Wait until a payload is pushed, or for some seconds; then take deliveries."""
        connection = self._wait_connection
        if connection is None:
            wait_shortly(self.connection, self.list_key, seconds, self.wake_fd)
            return self._take(limit)
        take = scripts.take.evalsha_command(self.take_keys, *self._take_arguments(limit))
        is_done = False
        try:
            taken = connection.take(self.list_key, take, seconds, self.wake_fd)
            is_done = taken != []
        finally:
            if not is_done:
                self._close_wait_connection()
        if taken == []:
            return []
        return self._take(limit) if taken is None else self._deliveries(taken, limit)

    @cached_property
    def _wait_connection(self) -> QueueWaitConnection | None:
        """A separate connection for commands that block; None where a wait could not be ended."""
        return open_wait_connection(self.connection)

    def _close_wait_connection(self) -> None:
        """Close the connection for commands that block."""
        if connection := vars(self).pop("_wait_connection", None):
            connection.disconnect_client()
