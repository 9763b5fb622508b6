"""The Redis server: what this user may do, what it keeps over a restart, what it removes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from redis.exceptions import RedisError, ResponseError

from django_q.brokers.redis.broker import Redis
from django_q.brokers.redis.connections.client import message_client
from django_q.brokers.redis.connections.queue_wait import missing_wait_permission
from django_q.brokers.redis.scheduler_wakeup import schedules_channel
from django_q.doctor.findings.finding import Finding, error, info, warning
from django_q.unfinished.reading import broker_for

#: The oldest version that has all commands.
MIN_REDIS_VERSION = (6, 2)
#: Share of ``maxmemory`` above which it will soon be reached.
FULL_SHARE = 0.9
#: Sections of INFO that are read.
INFO_SECTIONS = ("server", "memory", "persistence", "replication")


def examine() -> Iterator[Finding]:
    """Look at the server, if the broker is Redis."""
    broker = broker_for(None)
    broker = getattr(broker, "broker", broker)
    if not isinstance(broker, Redis):
        return
    yield from permission_findings(broker)
    try:
        nodes = server_facts(broker.connection)
    except ResponseError as refusal:
        text = "This user may not run INFO: memory, persistence and role are not known."
        yield info("redis-unknown", text, broker.refusal(refusal) or "Add to its ACL: +info")
        return
    for facts in nodes:
        for examine_facts in (find_old, find_replica, find_eviction, find_full_memory):
            yield from examine_facts(facts)
        yield from find_lost_writes(facts, lambda: saves_snapshots(broker.connection))


def permission_findings(broker: Redis) -> Iterator[Finding]:
    """Try what a cluster needs; nothing is changed by it."""
    found = {
        "redis-permission": permission_refusals(broker),
        "redis-wait-permission": refusal_texts(
            broker, missing_wait_permission(broker.connection, broker.keys[4])
        ),
        "redis-channel-permission": refusal_texts(broker, missing_channel_permission()),
    }
    for refusal in found["redis-permission"]:
        text = "This user may not do what a cluster needs, which does not start."
        yield error("redis-permission", text, refusal)
    for refusal in found["redis-wait-permission"]:
        text = "This user may not wait for tasks: clusters poll the queue once a second."
        yield warning("redis-wait-permission", text, refusal)
    for refusal in found["redis-channel-permission"]:
        text = "This user may not use channels: changes of schedules are noticed late."
        yield warning("redis-channel-permission", text, refusal)


def permission_refusals(broker: Redis) -> list[str]:
    """Explain which commands and keys a cluster needs, and this user may not use."""
    try:
        return broker.refusals()
    except ResponseError as refusal:  # it may not even run what tries them
        return refusal_texts(broker, refusal)


def refusal_texts(broker: Redis, failure: Exception | None) -> list[str]:
    """Explain the error of something that was tried; nothing where it was permitted."""
    return [broker.refusal(failure) or str(failure)] if failure else []


def missing_channel_permission() -> Exception | None:
    """Return the error of a user who may not subscribe to the channel of schedules."""
    subscription = message_client().pubsub()
    try:
        subscription.subscribe(schedules_channel())
        subscription.get_message(timeout=1)
    except ResponseError as refusal:
        return refusal
    finally:
        subscription.close()
    return None


def server_facts(client: Any) -> list[dict[str, Any]]:
    """Read INFO: a dictionary for each server, of which a Redis Cluster has several."""
    facts: dict[str, dict[str, Any]] = {}
    for section in INFO_SECTIONS:
        reply = client.info(section)
        is_cluster = reply and all(isinstance(each, dict) for each in reply.values())
        for node, values in reply.items() if is_cluster else [("", reply)]:
            facts.setdefault(str(node), {}).update(values)
    return list(facts.values())


def find_old(facts: dict[str, Any]) -> Iterator[Finding]:
    """Find a server that lacks commands."""
    version = str(facts.get("redis_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < MIN_REDIS_VERSION:
        text = f"Redis {version} lacks commands that the broker uses."
        yield error("redis-old", text, "Use Redis 6.2 or later, or Valkey.")


def find_replica(facts: dict[str, Any]) -> Iterator[Finding]:
    """Find a server that takes no writes."""
    if facts.get("role") == "slave":
        yield error(
            "broker-read-only",
            "The Redis server is a replica: nothing can be enqueued on it, or taken from it.",
            "Name the primary server in Q_CLUSTER['redis'], or the sentinels, which know it.",
        )


def find_eviction(facts: dict[str, Any]) -> Iterator[Finding]:
    """Find a server that removes tasks when its memory is full."""
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return
    limit = int(facts.get("maxmemory") or 0)
    cure = "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file."
    if policy.startswith("volatile"):
        text = "keys that expire: heartbeats, idempotency keys, and limits that were set"
    else:
        text = "any key, whole queues too"
    make = error if limit and not policy.startswith("volatile") else warning
    yield make(
        "redis-evicts",
        f"maxmemory-policy is {policy}: with its memory full, Redis removes {text}. "
        f"{f'maxmemory is {limit:,} bytes.' if limit else 'There is no maxmemory yet.'}",
        f"{cure} Give caches a server of their own.",
    )


def find_full_memory(facts: dict[str, Any]) -> Iterator[Finding]:
    """Find a server that will soon refuse writes."""
    limit, used = int(facts.get("maxmemory") or 0), int(facts.get("used_memory") or 0)
    if limit and used > FULL_SHARE * limit:
        yield warning(
            "redis-memory",
            f"Redis uses {used:,} bytes of {limit:,}: soon it refuses new tasks, or removes keys.",
            "Raise maxmemory, or run more clusters if tasks are waiting; results do not belong "
            "in arguments.",
        )


def find_lost_writes(facts: dict[str, Any], saves: Callable[[], bool | None]) -> Iterator[Finding]:
    """Find a server that keeps nothing over a restart, or that can not save."""
    failed = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
        if facts.get(name, "ok") != "ok"
    ]
    if failed:
        yield error(
            "redis-not-saved",
            f"Redis could not save ({', '.join(failed)}); by default it then refuses writes.",
            "Look into its log: its disk may be full, or its directory not writable.",
        )
    if not facts.get("aof_enabled") and saves() is False:
        yield warning(
            "redis-not-persistent",
            "Redis saves nothing: tasks that wait, or run, are lost when it restarts.",
            "Set appendonly yes, with appendfsync everysec.",
        )


def saves_snapshots(client: Any) -> bool | None:
    """Return whether the server saves snapshots; None where this user may not ask."""
    try:
        reply = client.config_get("save")
    except RedisError:
        return None
    texts = [reply.get("save")] if "save" in reply else [each["save"] for each in reply.values()]
    return any(texts)
