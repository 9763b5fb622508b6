"""Time that passes for a queue, without anybody waiting for it."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db.models import F

from django_q.brokers.memory import Memory
from django_q.brokers.redis_broker import Redis
from django_q.models import TaskKey

#: Sorted sets of a queue in Redis whose scores are times, in microseconds.
TIMED_SETS = (":leases", ":task_leases", ":delayed", ":held")


def let_pass(broker, seconds):
    """Set all times of a queue back, as if so many seconds had passed."""
    if isinstance(broker, Memory):
        let_pass_in_memory(broker, seconds)
    elif isinstance(broker, Redis):
        let_pass_in_redis(broker, seconds)
    else:
        gone = timedelta(seconds=seconds)
        broker.table.rows.update(lock=F("lock") - gone, expires=F("expires") - gone)
        TaskKey.objects.using(broker.alias).update(expires=F("expires") - gone)


def let_pass_in_memory(broker, seconds):
    """Set all times of a queue in memory back."""
    with broker.queue() as queue:
        for each in queue.messages.values():
            each.due -= seconds
            each.since -= seconds
            each.expires -= seconds
        for keys in (queue.kept, queue.once):
            keys.entries = {key: (kept, end - seconds) for key, (kept, end) in keys.entries.items()}


def let_pass_in_redis(broker, seconds):
    """Set leases, delays, expiries and kept keys back; not ages, which are in ids."""
    client, queue = broker.connection, broker.list_key
    for key in (queue + suffix for suffix in TIMED_SETS):
        for member, end in client.zrange(key, 0, -1, withscores=True):
            if end < math.inf:
                client.zincrby(key, -seconds * 1_000_000, member)
    for number, text in client.hgetall(f"{queue}:terms").items():
        priority, expires, rest = text.split(b"|", 2)
        if expires:
            ends = int(expires) - seconds * 1_000_000
            client.hset(f"{queue}:terms", number, b"%b|%d|%b" % (priority, ends, rest))
    for key in client.scan_iter(f"{queue}:kept:*", count=1000):
        if (left := client.pttl(key) - seconds * 1000) > 0:
            client.pexpire(key, left)
        else:
            client.delete(key)
