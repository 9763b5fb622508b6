"""What people have told a queue in memory: notices, pause and limit."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from django_q.brokers.contract.orders import (
    NOTICE_SECONDS,
    Notices,
    QueueControl,
    too_many_notices,
)


@dataclass
class QueueOrders:
    """The orders for one queue. They stay when its tasks are deleted."""

    control: QueueControl = field(default_factory=QueueControl)
    version: int = 0  #: grows with each change of the notices
    #: By key: when it was posted, its text, and when it is over.
    posted: dict[str, tuple[float, str, float]] = field(default_factory=dict)

    def room(self, cluster_id: str, leased: int) -> int:
        """Return how many tasks a cluster may take while so many are leased."""
        if self.control.is_paused or cluster_id in self.control.paused_clusters:
            return 0
        limit = self.control.limit
        return sys.maxsize if limit is None else max(0, limit - leased)

    def pause(self, cluster_id: str) -> None:
        """Pause the queue for one cluster, or for all."""
        if cluster_id:
            paused = self.control.paused_clusters | {cluster_id}
            self.control = self.control._replace(paused_clusters=paused)
        else:
            self.control = self.control._replace(is_paused=True)

    def resume(self, cluster_id: str) -> bool:
        """End a pause; returns whether there was one."""
        before = self.control
        if cluster_id:
            paused = before.paused_clusters - {cluster_id}
            self.control = before._replace(paused_clusters=paused)
        else:
            self.control = before._replace(is_paused=False)
        return self.control != before

    def set_limit(self, limit: int | None) -> None:
        """Set how many tasks may be leased at a time."""
        self.control = self.control._replace(limit=limit)

    def post(self, key: str, text: str, seconds: float, now: float, most: int) -> None:
        """Post a notice, or replace the one of that key."""
        others = self.current(now).keys() - {key}
        if len(others) >= most:
            raise too_many_notices(len(others))
        self.posted[key] = (now, text, now + min(seconds, NOTICE_SECONDS))
        self.version += 1

    def withdraw(self, keys: Iterable[str], now: float) -> int:
        """Withdraw notices; how many there were."""
        found = self.current(now).keys() & set(keys)
        for key in found:
            del self.posted[key]
        self.version += bool(found)
        return len(found)

    def notices(self, now: float) -> Notices:
        """Read all notices."""
        current = self.current(now)
        return Notices(self.version, {key: (at, text) for key, (at, text, _) in current.items()})

    def current(self, now: float) -> dict[str, tuple[float, str, float]]:
        """Forget the notices that are over, and return the others."""
        self.posted = {key: notice for key, notice in self.posted.items() if notice[2] > now}
        return self.posted
