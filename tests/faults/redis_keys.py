"""What is in the keys of a queue on Redis."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django_q.brokers.redis_broker import Redis

#: Of a queue: the hashes in which payloads are, beside its list.
HASHES = ("running", "tasks")
#: Ends of keys that are no task's: dead letters, what holds the queue back, and notices, which
#: expire where they could not be withdrawn.
OF_THE_QUEUE = (b":dead", b":control", b":notices")
#: What may be left: the member that only keeps a key, and the element that only wakes who waits.
PLACEHOLDERS = {b"-" * 65, b""}


def payloads_in(broker: Redis) -> list[bytes]:
    """Read all payloads of a queue at one moment, taken or not."""
    with broker.connection.pipeline(transaction=True) as pipeline:
        pipeline.lrange(broker.list_key, 0, -1)
        for name in HASHES:
            pipeline.hvals(f"{broker.list_key}:{name}")
        return list(chain.from_iterable(pipeline.execute()))


def members_left(client: Any, list_key: str) -> list[str]:
    """Say what is kept of tasks by the keys of a queue that is empty, dead letters apart."""
    found = client.scan_iter(f"{list_key}*")
    keys = [key for key in found if not key.endswith(OF_THE_QUEUE)]
    members_by_key = {key.decode(): members_of(client, key) for key in keys}
    left = {key: sorted(members - PLACEHOLDERS) for key, members in members_by_key.items()}
    return [f"{key}: {members[:3]}" for key, members in left.items() if members]


def members_of(client: Any, key: bytes) -> set[bytes]:
    """List what is in a key; nothing for a number, or for a text that expires."""
    kind = client.type(key)
    if kind == b"list":
        return set(client.lrange(key, 0, -1))
    if kind == b"hash":
        return set(client.hkeys(key))
    return set(client.zrange(key, 0, -1)) if kind == b"zset" else set()
