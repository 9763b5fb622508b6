"""The queue in Redis or Valkey: a list to which producers push, and keys of what is leased.

Each change of more than one key is a Lua script (folder ``lua``), so a crash leaves no change half
done. Redis 6.2 is the oldest version that has all commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from redis.exceptions import NoPermissionError

from django_q.brokers.base import DEAD_SUFFIX
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import ORDERS
from django_q.brokers.heartbeats import matches_pattern
from django_q.brokers.redis import scripts
from django_q.brokers.redis.connections.client import configured_client
from django_q.brokers.redis.connections.queue_wait import missing_wait_permission
from django_q.brokers.redis.connections.result_channel import RedisResultChannel
from django_q.brokers.redis.kept_state import kept_state, kept_texts
from django_q.brokers.redis.producer import max_wait_seconds
from django_q.brokers.redis.refusals import (
    REQUIRED_COMMANDS,
    commands_refusal,
    wrong_type_refusal,
)
from django_q.brokers.redis.scheduler_wakeup import RedisSchedulerWakeup, publish_schedule_change
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.taking import RedisTaker
from django_q.brokers.redis.terms import TASK_MARK, is_task_receipt
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.brokers.terms import BROKER_OPTIONS
from django_q.conf import Conf, logger
from django_q.exceptions import BrokerCommandRefused
from django_q.servers.redis_cluster import client_of_key, close_clients

#: Payloads that one step of ``restore`` checks.
RESTORE_PAGE_SIZE = 1000
#: Fields that one step of ``remove_orphans`` reads; some have 64 KB.
ORPHANS_PAGE_SIZE = 500


class Redis(RedisTaker):
    """A queue in Redis. Once it is made, ``list_key`` is the full key of its list."""

    has_exact_sizes, has_uncounted_release, receipt_pattern = True, True, r"t?\d[\d.-]*"
    serves, obeys, keeps_state = BROKER_OPTIONS, ORDERS, True
    notify_schedulers = staticmethod(publish_schedule_change)
    result_channel = RedisResultChannel
    #: The key of the last heartbeat, which is known to be in the index.
    _indexed_key = ""

    def prepare(self) -> None:
        """Check what the server would refuse, and put back payloads that have lost their lease."""
        if refusals := self.refusals():
            raise BrokerCommandRefused(" ".join(refusals))
        if error := missing_wait_permission(self.connection, self.keys[4]):
            text = "%s is polled once a second, as this user may not wait for it. %s"
            logger.warning(text, self.list_key, self.refusal(error))
        if count := self.restore():
            logger.warning("%s payloads without a lease were put back on %s", count, self.list_key)
        with suppress(NoPermissionError):  # nobody needs it
            self.remove_orphans(self.keys[3], self.keys[1])
            self.remove_orphans(self.task_keys[13], self.task_keys[8])

    def refusals(self) -> list[str]:
        """Explain what the server would refuse of what a cluster needs; empty where it is nothing.

        Nothing is changed by it.
        """
        commands, wrong_type_keys = self._check_permissions()
        refusals = [wrong_type_refusal(key.decode()) for key in wrong_type_keys]
        if commands:
            refusals.append(commands_refusal(command.decode() for command in commands))
        return refusals

    def _check_permissions(self) -> list:
        """Find refused commands and keys of another type.

        Whoever may use the keys of earlier releases alone takes what those have.
        """
        missing = "a pause, a limit and other orders are not heeded"
        keys, commands = (*self.task_keys, *self.order_keys), REQUIRED_COMMANDS
        while True:
            try:
                return scripts.check_permissions.run(self.connection, keys, *commands)
            except NoPermissionError as error:
                if keys is self.keys:
                    raise
                logger.warning("%s: %s. %s", self.list_key, missing, self.refusal(error))
            if keys is self.task_keys:
                keys = self.take_keys = self.keys
            else:
                keys = self.take_task_keys = self.task_keys
                self.take_keys = self.take_keys[:-1]
            missing = "tasks with options that need terms are not taken"

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

    def remove_orphans(self, fences: str, payloads: str) -> None:
        """Remove what is kept of tasks that a cluster of an earlier release has ended.

        The arguments are keys: of the hash that has it, and of that of payloads.
        """
        cursor, keys = b"0", (fences, payloads)
        while True:
            args = (cursor, ORPHANS_PAGE_SIZE)
            cursor = scripts.remove_orphans.run(self.connection, keys, *args)
            if cursor == b"0":
                return

    def scheduler_wakeup(self) -> SchedulerWakeup:
        """Make the scheduler's wake-up, a subscription."""
        return RedisSchedulerWakeup()

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

    def release(
        self,
        ack_ids: Iterable[str],
        delay: float = 0,
        count: bool = True,
        states: Mapping[str, KeptState] | None = None,
    ) -> set[str]:
        """Release deliveries.

        Those that never were an attempt, and of which nothing is kept, return to the head of the
        list. Tasks with terms become ready in their priority.
        """
        ack_ids = list(ack_ids)
        kept = kept_texts(states, ack_ids)
        options = (microseconds(delay), microseconds(max_wait_seconds()), int(count), *kept)
        return self._change(scripts.release, scripts.release_tasks, ack_ids, *options)

    def keep_state(self, states: Mapping[str, KeptState]) -> set[str]:
        """Keep texts beside the payloads of deliveries. Returns the receipts that were stale."""
        script, kept = scripts.keep_state, kept_texts(states, states)
        return self._change(script, script, states, *kept)

    def kept_state(self, ack_id: str) -> KeptState | None:
        """Read what is kept beside the payload of a delivery; None if nothing is."""
        return kept_state(scripts.read_kept.run(self.connection, self._keys_of(ack_id), ack_id))

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
            close_clients(self.connection)
        super().close()

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds, and its key in the index of heartbeats."""
        client = self.stat_connection
        lifetime = int(timeout * 1000)  # milliseconds
        # One command for each heartbeat, but for the first, or the first after a pause.
        old = client.execute_command("SET", key, value, "PX", lifetime, "GET", NEVER_DECODE=True)
        if old is None or key != self._indexed_key:
            client.sadd(Conf.Q_STAT, key)
            self._indexed_key = key

    def get_stat(self, key: str) -> bytes | None:
        """Return a heartbeat; None when it has expired."""
        return self.connection_of(key).execute_command("GET", key, NEVER_DECODE=True)

    def get_stats(self, pattern: str) -> list[bytes]:
        """Return the heartbeats whose keys match, as ``django_q:default:cluster:*``."""
        found = scripts.stats.run(self.stat_connection, (Conf.Q_STAT,))
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
        *options: int | str,
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
        return configured_client(list_key or Conf.Q_LIST)

    def connection_of(self, list_key: str) -> Any:
        """Return the connection for another queue of the same server, or Redis Cluster."""
        return client_of_key(self.connection, list_key)

    @property
    def stat_connection(self) -> Any:
        """The connection for heartbeats, which clusters of all queues of a project share."""
        return self.connection_of(Conf.Q_STAT)
