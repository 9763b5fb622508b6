"""The queue in Redis or Valkey: a list to which producers push, and keys of what is leased.

Each change of more than one key is a Lua script (folder ``lua``), so a crash leaves no change half
done. Redis 6.2 is the oldest version that has all commands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from itertools import repeat
from typing import Any

from redis.exceptions import NoPermissionError

from django_q.brokers.base import DEAD_SUFFIX, Delivery
from django_q.brokers.heartbeats import matches_pattern
from django_q.brokers.redis import scripts
from django_q.brokers.redis.connections.client import configured_client
from django_q.brokers.redis.connections.queue_wait import (
    TASKS_DUE,
    QueueWaitConnection,
    missing_wait_permission,
    open_wait_connection,
    wait_shortly,
)
from django_q.brokers.redis.listing import RedisListing
from django_q.brokers.redis.producer import MAX_BLOCK_SECONDS, max_wait_seconds
from django_q.brokers.redis.refusals import (
    REQUIRED_COMMANDS,
    commands_refusal,
    wrong_type_refusal,
)
from django_q.brokers.redis.scheduler_wakeup import RedisSchedulerWakeup, publish_schedule_change
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.terms import TASK_MARK, is_task_receipt, task_deliveries
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.brokers.terms import TERM_OPTIONS
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import BrokerCommandRefused

#: Payloads that one step of ``restore`` checks.
RESTORE_PAGE_SIZE = 1000


class Redis(RedisListing):
    """A queue in Redis. Once it is made, ``list_key`` is the full key of its list."""

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"t?\d[\d.-]*"
    serves = TERM_OPTIONS
    notify_schedulers = staticmethod(publish_schedule_change)
    #: Monotonic. Before that time only a push can bring something to take.
    _next_take_at = 0.0
    #: Whether the last take has given tasks with terms: then the next one begins with them.
    _has_tasks = False
    #: The key of the last heartbeat, which is known to be in the index.
    _indexed_key = ""

    def prepare(self) -> None:
        """Check what the server would refuse, and put back payloads that have lost their lease."""
        commands, wrong_type_keys = self._check_permissions()
        refusals = [wrong_type_refusal(key.decode()) for key in wrong_type_keys]
        if commands:
            refusals.append(commands_refusal(command.decode() for command in commands))
        if refusals:
            raise BrokerCommandRefused(" ".join(refusals))
        if error := missing_wait_permission(self.connection, self.keys[4]):
            text = "%s is polled once a second, as this user may not wait for it. %s"
            logger.warning(text, self.list_key, self.refusal(error))
        if count := self.restore():
            logger.warning("%s payloads without a lease were put back on %s", count, self.list_key)

    def _check_permissions(self) -> list:
        """Find refused commands and keys of another type.

        Whoever may use the keys of plain tasks alone takes those.
        """
        try:
            return self._run_tasks(scripts.check_permissions, *REQUIRED_COMMANDS)
        except NoPermissionError as error:
            found = self._run(scripts.check_permissions, *REQUIRED_COMMANDS)
            self.take_keys = self.keys
            text = "%s: tasks with options that need terms are not taken. %s"
            logger.warning(text, self.list_key, self.refusal(error))
            return found

    @cached_property
    def take_keys(self) -> tuple[str, ...]:
        """The keys with which the take script also sees whether there are tasks with terms."""
        return self.task_keys[: len(self.keys) + 1]

    def restore(self) -> int:
        """Put payloads back on the list that an earlier release left without a lease; how many."""
        cursor, count = b"0", 0
        while True:
            cursor, found = self._run(
                scripts.restore, cursor, microseconds(Conf.RETRY), RESTORE_PAGE_SIZE
            )
            count += found
            if cursor == b"0":
                return count

    def scheduler_wakeup(self) -> SchedulerWakeup:
        """Make the scheduler's wake-up, a subscription."""
        return RedisSchedulerWakeup()

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take deliveries; see ``Broker.dequeue``."""
        end = self.wait_deadline(wait)
        while True:
            pause = min(end, self._next_take_at) - time.monotonic()
            if pause > 0 and wait_until_readable([self.wake_fd], 0):
                return []
            deliveries = self._wait_and_take(limit, pause) if pause > 0 else self._take(limit)
            if deliveries or end <= time.monotonic():
                return deliveries

    def _take(self, limit: int) -> list[Delivery]:
        """Take up to ``limit`` deliveries without waiting."""
        if self._has_tasks:
            return self._take_tasks(limit)
        args = (limit, microseconds(Conf.RETRY))
        return self._deliveries(scripts.take.run(self.connection, self.take_keys, *args), limit)

    def _take_tasks(self, limit: int) -> list[Delivery]:
        """Take tasks with terms, and plain ones."""
        next_end, taken = self._run_tasks(scripts.take_tasks, limit, microseconds(Conf.RETRY))
        deliveries = task_deliveries(taken)
        self._has_tasks = any(each.ack_id[0] == TASK_MARK for each in deliveries)
        self._note_next_take(next_end, len(deliveries) < limit)
        return deliveries

    def _deliveries(self, taken: list, limit: int) -> list[Delivery]:
        """Read the reply of the take script, and note when there may be more to take."""
        next_end, redelivered, first, new = taken
        if next_end == TASKS_DUE:
            return self._take_tasks(limit)
        receipts = map(str, range(first, first + len(new)))
        deliveries = list(map(Delivery, receipts, new, repeat(1)))
        if redelivered:
            old = zip(redelivered[0::3], redelivered[1::3], redelivered[2::3], strict=True)
            deliveries[:0] = [Delivery(ack_id.decode(), *rest) for ack_id, *rest in old]
        self._note_next_take(next_end, len(deliveries) < limit)
        return deliveries

    def _note_next_take(self, next_end: int, is_all: bool) -> None:
        """Note when there may be more to take: ``next_end`` is in microseconds, -1 for never."""
        due = next_end / 1e6 if next_end >= 0 else MAX_BLOCK_SECONDS
        self._next_take_at = time.monotonic() + min(due, max_wait_seconds()) if is_all else 0

    def _wait_and_take(self, limit: int, seconds: float) -> list[Delivery]:
        """Wait until a payload is pushed, or for some seconds; then take deliveries."""
        connection = self._wait_connection
        if connection is None:
            wait_shortly(self.connection, self.list_key, seconds, self.wake_fd)
            return self._take(limit)
        take = scripts.take.evalsha_command(self.take_keys, limit, microseconds(Conf.RETRY))
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

    def acknowledge(self, ack_id: str) -> bool:
        """End a delivery for good; False when it was stale."""
        return not Redis.acknowledge_many(self, [ack_id])

    def acknowledge_many(self, ack_ids: Iterable[str]) -> set[str]:
        """End deliveries for good. Returns those that were stale."""
        return self._change(scripts.acknowledge, scripts.acknowledge_tasks, ack_ids)

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        options = (microseconds(seconds), microseconds(max_wait_seconds()))
        return self._change(scripts.extend, scripts.extend_tasks, ack_ids, *options)

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        """Release deliveries; those that never were an attempt return to the head of the list.

        Tasks with terms become ready in their priority.
        """
        options = (microseconds(delay), microseconds(max_wait_seconds()), int(count))
        return self._change(scripts.release, scripts.release_tasks, ack_ids, *options)

    def read(self, ack_id: str) -> bytes | None:
        """Return the payload of a delivery; None when it is stale."""
        return scripts.read.run(self.connection, self._keys_of(ack_id), ack_id)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and move its payload to the list ``{list_key}:dead``."""
        keys = self._keys_of(ack_id)
        scripts.move_to_dead_letters.run(self.connection, keys, payload, ack_id)

    def dead_size(self) -> int:
        """Count the payloads in the dead-letter queue."""
        return self.connection.llen(self.list_key + DEAD_SUFFIX)

    def delete_queue(self) -> int:
        """Delete the queue with all that is in it, but not its dead letters.

        Ids continue where they were, so a receipt from before stays stale.
        """
        return self.connection.delete(*self.keys[:4], *self.task_keys[len(self.keys) :])

    def delete(self, ack_id: str) -> bool:
        """Delete one payload that is leased or delayed, by its receipt or the id of a delay."""
        return bool(scripts.delete.run(self.connection, self._keys_of(ack_id), ack_id))

    def ping(self) -> bool:
        """Return True when the server answers; raise its error otherwise."""
        return self.connection.ping()

    def info(self) -> str:
        """Return the name of the server and its version."""
        if not self._info:
            try:
                server = self.connection.info("server")
            except NoPermissionError:
                return "Redis"
            version = server.get("valkey_version")
            self._info = f"Valkey {version}" if version else f"Redis {server['redis_version']}"
        return self._info

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self._close_wait_connection()
        if sender := vars(self).pop("sender", None):
            sender.close()
        if "connection" in vars(self) and not Conf.DJANGO_REDIS:
            self.connection.close()
        super().close()

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds, and its key in the index of heartbeats."""
        client = self.connection
        lifetime = int(timeout * 1000)  # milliseconds
        # One command for each heartbeat, but for the first, or the first after a pause.
        old = client.execute_command("SET", key, value, "PX", lifetime, "GET", NEVER_DECODE=True)
        if old is None or key != self._indexed_key:
            client.sadd(Conf.Q_STAT, key)
            self._indexed_key = key

    def get_stat(self, key: str) -> bytes | None:
        """Return a heartbeat; None when it has expired."""
        return self.connection.execute_command("GET", key, NEVER_DECODE=True)

    def get_stats(self, pattern: str) -> list[bytes]:
        """Return the heartbeats whose keys match, as ``django_q:default:cluster:*``."""
        found = scripts.stats.run(self.connection, (Conf.Q_STAT,))
        pairs = zip(found[0::2], found[1::2], strict=True)
        return [
            each for key, each in pairs if matches_pattern(key.decode(errors="replace"), pattern)
        ]

    def _keys_of(self, ack_id: str) -> tuple[str, ...]:
        """Return the keys for a script on one delivery."""
        return self.task_keys if is_task_receipt(ack_id) else self.keys

    def _change(
        self,
        script: scripts.Script,
        task_script: scripts.Script,
        ack_ids: Iterable[str],
        *options: int,
    ) -> set[str]:
        """Run a script on some deliveries. Returns the receipts that were stale."""
        ack_ids, stale = list(ack_ids), []
        if TASK_MARK in "".join(ack_ids):  # one look, where all are plain
            tasks = [ack_id for ack_id in ack_ids if ack_id[:1] == TASK_MARK]
            ack_ids = [ack_id for ack_id in ack_ids if ack_id[:1] != TASK_MARK]
            # First, as it needs more: whoever is refused this one has not run the other.
            stale += self._run_tasks(task_script, *options, *tasks) if tasks else []
        if ack_ids:
            stale += self._run(script, *options, *ack_ids)
        return {ack_id.decode() for ack_id in stale}

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Make a client that times out when the server does not answer."""
        return configured_client()
