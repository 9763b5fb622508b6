"""The queue in Redis or Valkey: a list to which producers push, and keys of what is leased.

Each change of more than one key is a Lua script (folder ``lua``), so a crash leaves no change half
done. Redis 6.2 is the oldest version that has all commands.
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

#: The most seconds that one blocking command waits.
MAX_BLOCK_SECONDS = 30
#: The most payloads that one command pushes.
MAX_VALUES_PER_PUSH = 10_000
#: Payloads that one step of ``restore`` checks.
RESTORE_PAGE_SIZE = 1000
#: Added to a queue's name: see lua/prelude.lua.
KEY_SUFFIXES = ("", ":running", ":leases", ":tries", ":sequence", DEAD_SUFFIX, ":clock")


class Redis(Broker):
    """A queue in Redis. Once it is made, ``list_key`` is the full key of its list."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        if not self.list_key.startswith("django_q:"):
            self.list_key = f"django_q:{self.list_key}:q"

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"\d[\d.-]*"
    notify_schedulers = staticmethod(publish_schedule_change)
    #: Monotonic. Before that time only a push can bring something to take.
    _next_take_at = 0.0
    #: The key of the last heartbeat, which is known to be in the index.
    _indexed_key = ""

    def refusal(self, error: BaseException) -> str | None:
        """Explain what Redis refused: a command without permission, or a key of the wrong type."""
        return super().refusal(error) or refusal_of(error, self.list_key)

    def prepare(self) -> None:
        """Check what the server would refuse, and put back payloads that have lost their lease."""
        commands, wrong_type_keys = self._run(scripts.check_permissions, *REQUIRED_COMMANDS)
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

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the queue, in the order of lua/prelude.lua."""
        return tuple(self.list_key + part for part in KEY_SUFFIXES)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Push a payload. Returns the length of the list, or the id of a delayed payload."""
        if delay > 0:
            return self._delay(payload, microseconds(delay), microseconds(max_wait_seconds()))
        return self._send(("RPUSH", self.list_key, payload))

    @property
    def _sender(self) -> Sender:
        """The sender of pushes. It belongs to a client, so another client gets another one."""
        sender = vars(self).get("sender")
        if sender is None or sender.client is not self.connection:
            sender = self.sender = Sender(self.connection)
        return sender

    def _delay(self, *args: Any) -> bytes:
        """Add a payload whose lease, held by nobody, ends when it is due."""
        try:
            return self._send(scripts.enqueue_delayed.evalsha_command(self.keys, *args))
        except NoScriptError:
            return self._send(scripts.enqueue_delayed.eval_command(self.keys, *args))

    def _send(self, *commands: tuple) -> Any:
        """Send commands that enqueue; the error of a refusal says how to permit them."""
        try:
            return self._sender.send(*commands)
        except redis.ResponseError as error:
            if refusal := self.refusal(error):
                raise type(error)(f"{error}. {refusal}") from error
            raise

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list:
        """Push payloads in one command, or many of them in one transaction."""
        remaining = iter(payloads)
        chunks = list(iter(lambda: list(islice(remaining, MAX_VALUES_PER_PUSH)), []))
        if not chunks:
            return []
        length = self._send(*(("RPUSH", self.list_key, *chunk) for chunk in chunks))
        return list(range(length - sum(map(len, chunks)) + 1, length + 1))

    def enqueue_once(self, payload: str | bytes, key: str) -> bool:
        """Push a payload and set a mark for ``key``. Returns False when the mark exists already."""
        keys = (self.list_key, self.mark(key))
        return bool(scripts.enqueue_once.run(self.connection, keys, payload, ONCE_KEY_SECONDS))

    def release_once_keys(self, keys: Iterable[str]) -> None:
        """Let the marks of keys of ``enqueue_once`` expire within the hour."""
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.expire(self.mark(key), ONCE_KEY_GRACE_SECONDS)
            pipeline.execute()

    def mark(self, key: str) -> str:
        """Return the Redis key of the mark for a key of ``enqueue_once``."""
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
        """Take up to ``limit`` deliveries without waiting."""
        return self._deliveries(self._run(scripts.take, limit, microseconds(Conf.RETRY)), limit)

    def _deliveries(self, taken: list, limit: int) -> list[Delivery]:
        """Read the reply of the take script, and note when there may be more to take."""
        next_end, redelivered, first, new = taken
        receipts = map(str, range(first, first + len(new)))
        deliveries = list(map(Delivery, receipts, new, repeat(1)))
        if redelivered:
            old = zip(redelivered[0::3], redelivered[1::3], redelivered[2::3], strict=True)
            deliveries[:0] = [Delivery(ack_id.decode(), *rest) for ack_id, *rest in old]
        due = next_end / 1e6 if next_end >= 0 else MAX_BLOCK_SECONDS
        is_all = len(deliveries) < limit
        self._next_take_at = time.monotonic() + min(due, max_wait_seconds()) if is_all else 0
        return deliveries

    def _wait_and_take(self, limit: int, seconds: float) -> list[Delivery]:
        """Wait until a payload is pushed, or for some seconds; then take deliveries."""
        connection = self._wait_connection
        if connection is None:
            wait_shortly(self.connection, self.list_key, seconds, self.wake_fd)
            return self._take(limit)
        take = scripts.take.evalsha_command(self.keys, limit, microseconds(Conf.RETRY))
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
        return self._change(scripts.acknowledge, ack_ids)

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        options = (microseconds(seconds), microseconds(max_wait_seconds()))
        return self._change(scripts.extend, ack_ids, *options)

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        """Release deliveries; those that never were an attempt return to the head of the list."""
        options = (microseconds(delay), microseconds(max_wait_seconds()), int(count))
        return self._change(scripts.release, ack_ids, *options)

    def read(self, ack_id: str) -> bytes | None:
        """Return the payload of a delivery; None when it is stale."""
        return self._run(scripts.read, ack_id)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and move its payload to the list ``{list_key}:dead``."""
        self._run(scripts.move_to_dead_letters, payload, ack_id)

    def dead_size(self) -> int:
        """Count the payloads in the dead-letter queue."""
        return self.connection.llen(self.list_key + DEAD_SUFFIX)

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return self._run(scripts.sizes)[0]

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return self._run(scripts.sizes)[1]

    def delete_queue(self) -> int:
        """Delete the queue with all that is in it, but not its dead letters.

        Ids continue where they were, so a receipt from before stays stale.
        """
        return self.connection.delete(*self.keys[:4])

    def purge_queue(self) -> int:
        """Delete the payloads that are not leased, delayed ones too."""
        return self._run(scripts.purge)

    def delete(self, ack_id: str) -> bool:
        """Delete one payload that is leased or delayed, by its receipt or the id of a delay."""
        return bool(self._run(scripts.delete, ack_id))

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

    def _run(self, script: scripts.Script, *args: Any) -> Any:
        """Run a script with the keys of this queue. Returns its reply."""
        return script.run(self.connection, self.keys, *args)

    def _change(self, script: scripts.Script, ack_ids: Iterable[str], *options: int) -> set[str]:
        """Run a script on some deliveries. Returns the receipts that were stale."""
        ack_ids = list(ack_ids)
        if not ack_ids:
            return set()
        return {ack_id.decode() for ack_id in self._run(script, *options, *ack_ids)}

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Make a client that times out when the server does not answer."""
        return configured_client()


def max_wait_seconds() -> float:
    """Return the seconds that a wait may last before the leases are checked.

    A lease that another cluster takes meanwhile does not end before: it lasts ``retry`` seconds.
    """
    return min(MAX_BLOCK_SECONDS, Conf.RETRY)
