"""The queue in Redis, or in Valkey: a list to which producers push, and what is leased beside it.

Every change of more than one key is a Lua script (folder ``lua``), so a crash leaves nothing half
done. Redis 6.2 is the oldest that has the commands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from itertools import islice, repeat
from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError

from django_q.brokers.base import (
    DEAD_SUFFIX,
    ONCE_KEY_GRACE_SECONDS,
    ONCE_KEY_SECONDS,
    Broker,
    Delivery,
)
from django_q.brokers.heartbeats import matches_pattern
from django_q.brokers.redis import scripts
from django_q.brokers.redis.client import configured_client
from django_q.brokers.redis.queue_wait import (
    QueueWaitConnection,
    missing_wait_permission,
    open_wait_connection,
    wait_shortly,
)
from django_q.brokers.redis.refusals import (
    REQUIRED_COMMANDS,
    commands_refusal,
    refusal_of,
    wrong_type_refusal,
)
from django_q.brokers.redis.scheduler_wakeup import RedisSchedulerWakeup, publish_schedule_change
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.sender import Sender
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import BrokerCommandRefused

#: Seconds that one blocking command waits at most.
MAX_BLOCK_SECONDS = 30
#: Values that one command pushes.
MAX_VALUES_PER_PUSH = 10_000
#: Payloads that are looked at in one step for those that have no lease.
RESTORE_PAGE_SIZE = 1000
#: Added to a queue's name: see lua/prelude.lua.
KEY_SUFFIXES = ("", ":running", ":leases", ":tries", ":sequence", DEAD_SUFFIX, ":clock")


class Redis(Broker):
    """A queue in Redis. ``list_key`` is the whole key of its list, once it is made."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        if not self.list_key.startswith("django_q:"):
            self.list_key = f"django_q:{self.list_key}:q"

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"\d[\d.-]*"
    notify_schedulers = staticmethod(publish_schedule_change)
    #: Until then, on the monotonic clock, there is nothing to take unless it is pushed.
    _next_take_at = 0.0
    #: The last heartbeat's key that is in the index for sure.
    _indexed_key = ""

    def refusal(self, error: BaseException) -> str | None:
        """Say what Redis has refused, a permission or a key of the wrong type, and the cure."""
        return super().refusal(error) or refusal_of(error, self.list_key)

    def prepare(self) -> None:
        """Find out what the server would refuse, and put back what an earlier release has lost."""
        commands, wrong = self._run(scripts.check_permissions, *REQUIRED_COMMANDS)
        told = [wrong_type_refusal(key.decode()) for key in wrong]
        if commands:
            told.append(commands_refusal(command.decode() for command in commands))
        if told:
            raise BrokerCommandRefused(" ".join(told))
        if error := missing_wait_permission(self.connection, self.keys[4]):
            text = "%s is looked at once a second, as nothing can be waited for. %s"
            logger.warning(text, self.list_key, self.refusal(error))
        if count := self.restore():
            logger.warning("%s payloads without a lease were put back on %s", count, self.list_key)

    def restore(self) -> int:
        """Put payloads back that have no lease; how many. No script of this release leaves any."""
        cursor, count = b"0", 0
        while True:
            cursor, found = self._run(
                scripts.restore, cursor, microseconds(Conf.RETRY), RESTORE_PAGE_SIZE
            )
            count += found
            if cursor == b"0":
                return count

    def scheduler_wakeup(self) -> SchedulerWakeup:
        """Make what wakes a scheduler."""
        return RedisSchedulerWakeup()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the queue, as lua/prelude.lua has them."""
        return tuple(self.list_key + part for part in KEY_SUFFIXES)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Push a payload; returns the length of the list, or the id of a delayed one."""
        if delay > 0:
            return self._delay(payload, microseconds(delay), microseconds(max_wait_seconds()))
        return self._send(("RPUSH", self.list_key, payload))

    @property
    def _sender(self) -> Sender:
        """What pushes: it belongs to a client, which may be replaced."""
        sender = vars(self).get("sender")
        if sender is None or sender.client is not self.connection:
            sender = self.sender = Sender(self.connection)
        return sender

    def _delay(self, *args: Any) -> bytes:
        """Put a payload among the leased ones."""
        try:
            return self._send(scripts.enqueue_delayed.evalsha_command(self.keys, *args))
        except NoScriptError:
            return self._send(scripts.enqueue_delayed.eval_command(self.keys, *args))

    def _send(self, *commands: tuple) -> Any:
        """Send what enqueues; the error of what is refused says how to mend it."""
        try:
            return self._sender.send(*commands)
        except redis.ResponseError as error:
            if refusal := self.refusal(error):
                raise type(error)(f"{error}. {refusal}") from error
            raise

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list:
        """Push payloads in one command, or in one transaction when they are many."""
        remaining = iter(payloads)
        chunks = list(iter(lambda: list(islice(remaining, MAX_VALUES_PER_PUSH)), []))
        if not chunks:
            return []
        length = self._send(*(("RPUSH", self.list_key, *chunk) for chunk in chunks))
        return list(range(length - sum(map(len, chunks)) + 1, length + 1))

    def enqueue_once(self, payload: str | bytes, key: str) -> bool:
        """Push a payload and set a mark for its key, unless the mark is there; whether it did."""
        keys = (self.list_key, self.mark(key))
        return bool(scripts.enqueue_once.run(self.connection, keys, payload, ONCE_KEY_SECONDS))

    def release_once_keys(self, keys: Iterable[str]) -> None:
        """Let the marks of keys of ``enqueue_once`` go, within the hour."""
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.expire(self.mark(key), ONCE_KEY_GRACE_SECONDS)
            pipeline.execute()

    def mark(self, key: str) -> str:
        """Name the mark of a key of ``enqueue_once``."""
        return f"{self.list_key}:once:{key}"

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
        """Take what is there."""
        return self._deliveries(self._run(scripts.take, limit, microseconds(Conf.RETRY)), limit)

    def _deliveries(self, taken: list, limit: int) -> list[Delivery]:
        """Read what a take gave, and note when to look again if that is all there was."""
        nearest, again, first, new = taken
        receipts = map(str, range(first, first + len(new)))
        deliveries = list(map(Delivery, receipts, new, repeat(1)))
        if again:
            old = zip(again[0::3], again[1::3], again[2::3], strict=True)
            deliveries[:0] = [Delivery(ack_id.decode(), *rest) for ack_id, *rest in old]
        due = nearest / 1e6 if nearest >= 0 else MAX_BLOCK_SECONDS
        is_all = len(deliveries) < limit
        self._next_take_at = time.monotonic() + min(due, max_wait_seconds()) if is_all else 0
        return deliveries

    def _wait_and_take(self, limit: int, seconds: float) -> list[Delivery]:
        """Wait until there is something to take, or for a time; then take what is there."""
        line = self._wait_connection
        if line is None:
            wait_shortly(self.connection, self.list_key, seconds, self.wake_fd)
            return self._take(limit)
        take = scripts.take.evalsha_command(self.keys, limit, microseconds(Conf.RETRY))
        done = False
        try:
            taken = line.take(self.list_key, take, seconds, self.wake_fd)
            done = taken != []
        finally:
            if not done:
                self._close_wait_connection()
        if taken == []:
            return []
        return self._take(limit) if taken is None else self._deliveries(taken, limit)

    @cached_property
    def _wait_connection(self) -> QueueWaitConnection | None:
        """A connection of its own, for commands that block."""
        return open_wait_connection(self.connection)

    def _close_wait_connection(self) -> None:
        """Drop the connection that blocks."""
        if line := vars(self).pop("_wait_connection", None):
            line.disconnect_client()

    def acknowledge(self, ack_id: str) -> bool:
        """End a delivery for good; False when it was stale."""
        return not Redis.acknowledge_many(self, [ack_id])

    def acknowledge_many(self, ack_ids: Iterable[str]) -> set[str]:
        """End deliveries for good. Returns those that were stale."""
        return self._change(scripts.acknowledge, ack_ids)

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        options = (microseconds(seconds), microseconds(max_wait_seconds()))
        return self._change(scripts.extend, ack_ids, *options)

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        """Hand deliveries back; what never was an attempt returns to the head of the list."""
        options = (microseconds(delay), microseconds(max_wait_seconds()), int(count))
        return self._change(scripts.release, ack_ids, *options)

    def read(self, ack_id: str) -> bytes | None:
        """Give the payload of a delivery; None when it is stale."""
        return self._run(scripts.read, ack_id)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and keep its payload in the list ``{list_key}:dead``."""
        self._run(scripts.move_to_dead_letters, payload, ack_id)

    def dead_size(self) -> int:
        """Count the payloads that were buried."""
        return self.connection.llen(self.list_key + DEAD_SUFFIX)

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return self._run(scripts.sizes)[0]

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return self._run(scripts.sizes)[1]

    def delete_queue(self) -> int:
        """Delete the queue with all that is in it but what was buried.

        Numbers go on where they were, so a receipt from before stays stale.
        """
        return self.connection.delete(*self.keys[:4])

    def purge_queue(self) -> int:
        """Delete what nobody has taken yet, delayed or not."""
        return self._run(scripts.purge)

    def delete(self, ack_id: str) -> bool:
        """Delete one payload that is leased or delayed, by its receipt or the id of a delay."""
        return bool(self._run(scripts.delete, ack_id))

    def ping(self) -> bool:
        """Say whether the server answers."""
        return self.connection.ping()

    def info(self) -> str:
        """Name the server and its version."""
        if not self._info:
            try:
                server = self.connection.info("server")
            except NoPermissionError:
                return "Redis"
            version = server.get("valkey_version")
            self._info = f"Valkey {version}" if version else f"Redis {server['redis_version']}"
        return self._info

    def close(self) -> None:
        """Drop the connections; they are made again when needed."""
        self._close_wait_connection()
        if sender := vars(self).pop("sender", None):
            sender.close()
        if "connection" in vars(self) and not Conf.DJANGO_REDIS:
            self.connection.close()
        super().close()

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds, with its key in an index beside them."""
        client = self.connection
        lifetime = int(timeout * 1000)  # milliseconds
        # One command a heartbeat: only the first, or the first after a pause, finds no old one.
        old = client.execute_command("SET", key, value, "PX", lifetime, "GET", NEVER_DECODE=True)
        if old is None or key != self._indexed_key:
            client.sadd(Conf.Q_STAT, key)
            self._indexed_key = key

    def get_stat(self, key: str) -> bytes | None:
        """Give a heartbeat; None when it is past its time."""
        return self.connection.execute_command("GET", key, NEVER_DECODE=True)

    def get_stats(self, pattern: str) -> list[bytes]:
        """Give the heartbeats whose keys begin so, as ``django_q:default:cluster:*``."""
        found = scripts.stats.run(self.connection, (Conf.Q_STAT,))
        pairs = zip(found[0::2], found[1::2], strict=True)
        return [
            each for key, each in pairs if matches_pattern(key.decode(errors="replace"), pattern)
        ]

    def _run(self, script: scripts.Script, *args: Any) -> Any:
        """Run a script on the keys of this queue."""
        return script.run(self.connection, self.keys, *args)

    def _change(self, script: scripts.Script, ack_ids: Iterable[str], *options: int) -> set[str]:
        """Run a script on deliveries. Returns those that were stale."""
        ack_ids = list(ack_ids)
        if not ack_ids:
            return set()
        return {ack_id.decode() for ack_id in self._run(script, *options, *ack_ids)}

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Make a client that times out when the server does not answer."""
        return configured_client()


def max_wait_seconds() -> float:
    """Say how long a wait may last without a look at the leases, in seconds.

    A lease that is taken meanwhile ends after that, as ``retry`` seconds are the shortest.
    """
    return min(MAX_BLOCK_SECONDS, Conf.RETRY)
