"""The part of the ORM broker that takes orders, and keeps what they need beside payloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import (
    NOTICE_SECONDS,
    Notices,
    QueueControl,
    SteeredQueue,
)
from django_q.brokers.orm.orders.notices import QueueNotices


class OrderedQueue(SteeredQueue):
    """Takes orders about a queue in a database."""

    #: The statements for the rows of the queue, and for those that have terms.
    table: Any
    terms: Any

    @cached_property
    def notice_rows(self) -> QueueNotices:
        """The statements for notices."""
        return QueueNotices(self.table)

    def keep_state(self, states: Mapping[Any, KeptState]) -> set:
        """Keep texts beside the payloads of deliveries. Returns the receipts that were stale."""
        return self.table.kept_states.keep(states)

    def cancel_task(self, task_id: str, mark: str) -> str | None:
        """Mark an unfinished task as cancelled, by its id."""
        return self.terms.cancel(task_id, mark)

    def post_notice(self, key: str, text: str, seconds: float = NOTICE_SECONDS) -> None:
        """Post a notice, or replace the one of that key."""
        self.notice_rows.post(key, text, seconds, self.max_notices)

    def withdraw_notices(self, keys: Iterable[str]) -> int:
        """Withdraw notices. Returns how many there were."""
        return self.notice_rows.withdraw(keys)

    def notices(self) -> Notices:
        """Read all notices that are not over."""
        return self.notice_rows.read()

    def notices_version(self) -> int:
        """Ask for the version of the notices."""
        return self.notice_rows.version()

    def pause(self, cluster_id: str = "") -> None:
        """Let nothing be taken any more, by one cluster or by any, until ``resume``."""
        self.table.holds.pause(cluster_id)

    def resume(self, cluster_id: str = "") -> bool:
        """End a pause. Returns whether there was one."""
        return self.table.holds.resume(cluster_id)

    def set_limit(self, limit: int | None) -> None:
        """Set how many tasks may be leased at a time; None for any number."""
        self.table.holds.set_limit(limit)

    def control(self) -> QueueControl:
        """Read what holds the queue back."""
        return self.table.holds.control()
