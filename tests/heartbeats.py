"""Heartbeats for tests, and a broker that keeps them in memory."""

from __future__ import annotations

from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.terms import QueueCounts
from django_q.conf import Conf
from django_q.status import Stat

CLUSTER_ID = UUID("8d44ebe1-8493-42e6-a7cc-c56054d638f6")


class MemoryBroker:
    """Has heartbeats, and sizes that a test sets."""

    list_key = "test"

    def __init__(self, *stats: Stat, queued: int = 0, locked: int = 0, dead: int = 0) -> None:
        self.stats: dict[str, str] = {}
        self.timeouts: list[float] = []
        self.queued, self.locked, self.dead = queued, locked, dead
        self.held_by = QueueControl()
        for stat in stats:
            stat.save(self)

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        self.stats[key] = value
        self.timeouts.append(timeout)

    def get_stat(self, key: str) -> str | None:
        return self.stats.get(key)

    def get_stats(self, pattern: str) -> list[str]:
        return [value for key, value in self.stats.items() if fnmatchcase(key, pattern)]

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list:
        return []

    def queue_names(self) -> list[str]:
        return [self.list_key]

    def list_tasks(self, *args: Any, **kwargs: Any) -> list:
        return []

    def count_tasks(self) -> QueueCounts:
        return QueueCounts(self.queued, 0, self.locked)

    def control(self) -> QueueControl:
        return self.held_by

    def queue_size(self) -> int:
        return self.queued

    def lock_size(self) -> int:
        return self.locked

    def dead_size(self) -> int:
        return self.dead

    def info(self) -> str:
        return "Memory 1.0"


def make_stat(**values: Any) -> Stat:
    """Make a heartbeat of an idle cluster that has just started."""
    defaults = {
        "pid": 5,
        "cluster_id": CLUSTER_ID,
        "queue": Conf.CLUSTER_NAME,
        "host": "ant",
        "status": Conf.IDLE,
        "tob": datetime.now(timezone.utc),
        "workers": [7],
    }
    return Stat(**{**defaults, **values})
