"""Time that passes for a queue, without anybody waiting for it."""

from __future__ import annotations

import math
from datetime import timedelta

from django.db.models import F

from django_q.brokers.memory import Memory
from django_q.brokers.redis_broker import Redis


def let_pass(broker, seconds):
    """Set all times of a queue back, as if so many seconds had passed: leases and delays."""
    if isinstance(broker, Memory):
        let_pass_in_memory(broker, seconds)
        return
    if not isinstance(broker, Redis):
        broker.table.rows.update(lock=F("lock") - timedelta(seconds=seconds))
        return
    leases = f"{broker.list_key}:leases"
    for member, end in broker.connection.zrange(leases, 0, -1, withscores=True):
        if end < math.inf:
            broker.connection.zincrby(leases, -seconds * 1_000_000, member)


def let_pass_in_memory(broker, seconds):
    """Set all times of a queue in memory back."""
    with broker.queue() as queue:
        for each in queue.messages.values():
            each.due -= seconds
            each.since -= seconds
            each.expires -= seconds
        for keys in (queue.kept, queue.once):
            keys.entries = {key: (kept, end - seconds) for key, (kept, end) in keys.entries.items()}
