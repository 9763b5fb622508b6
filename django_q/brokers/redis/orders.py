"""Orders for a queue in Redis: tasks are cancelled, the queue is paused or limited, notices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis.exceptions import NoPermissionError

from django_q.brokers.base import payload_text
from django_q.brokers.contract.orders import (
    NOTICE_SECONDS,
    REMOVED,
    REQUESTED,
    Notices,
    QueueControl,
    too_many_notices,
)
from django_q.brokers.redis import scripts
from django_q.brokers.redis.listing import RedisListing
from django_q.brokers.redis.scripts import microseconds
from django_q.conf import logger

#: What a field of a pause has.
PAUSED_VALUE = "1"
#: What lua/orders/cancel_task.lua replies.
CANCEL_REPLIES = {1: REMOVED, 2: REQUESTED, None: None}


class RedisOrders(RedisListing):
    """Takes orders for a queue; lua/orders/orders_prelude.lua says what its keys hold."""

    #: Whether it was said that this user may not read the notices.
    _has_told_refusal = False

    @property
    def order_keys(self) -> tuple[str, str]:
        """The keys for what holds the queue back, and for the notices."""
        return f"{self.list_key}:control", f"{self.list_key}:notices"

    def cancel_task(self, task_id: str, mark: str) -> str | None:
        """Mark a task with terms as cancelled; see ``SteeredQueue``."""
        with self._explained_refusals():
            return CANCEL_REPLIES[self._run_tasks(scripts.cancel_task, task_id, mark)]

    def post_notice(self, key: str, text: str, seconds: float = NOTICE_SECONDS) -> None:
        """Post a notice, or replace the one of that key."""
        kept_for = microseconds(min(seconds, NOTICE_SECONDS))
        others = self._order(scripts.post_notice, key, text, kept_for, self.max_notices)
        if others is not None:
            raise too_many_notices(others)

    def withdraw_notices(self, keys: Iterable[str]) -> int:
        """Withdraw notices. Returns how many there were."""
        keys = list(keys)
        return self._order(scripts.withdraw_notices, *keys) if keys else 0

    def notices(self) -> Notices:
        """Read all notices; none, and a warning, for a user who may not."""
        try:
            version, *found = self._order(scripts.read_notices)
        except NoPermissionError as error:
            if not self._has_told_refusal:
                text = "%s: orders to cancel tasks that run are not read. %s"
                logger.warning(text, self.list_key, self.refusal(error))
            self._has_told_refusal = True
            return Notices(0, {})
        rows = zip(found[0::3], found[1::3], found[2::3], strict=True)
        return Notices(
            int(version),
            {
                payload_text(key): (int(posted) / 1e6, payload_text(text))
                for key, posted, text in rows
            },
        )

    def notices_version(self) -> int:
        """Ask for the version of the notices."""
        return number_or_none(self._command("HGET", "version")) or 0

    def pause(self, cluster_id: str = "") -> None:
        """Let nothing be taken any more, by one cluster or by any."""
        self._command("HSET", pause_field(cluster_id), PAUSED_VALUE)

    def resume(self, cluster_id: str = "") -> bool:
        """End a pause. Returns whether there was one."""
        return bool(self._command("HDEL", pause_field(cluster_id)))

    def set_limit(self, limit: int | None) -> None:
        """Set how many tasks may be leased at a time; None for any number."""
        if limit is None:
            self._command("HDEL", "limit")
        else:
            self._command("HSET", "limit", limit)

    def control(self) -> QueueControl:
        """Read what holds the queue back."""
        pairs = self._command("HGETALL").items()
        fields = {payload_text(name): payload_text(value) for name, value in pairs}
        paused = {name for name, value in fields.items() if value == PAUSED_VALUE}
        clusters = {name.partition(":")[2] for name in paused if name.startswith("paused:")}
        return QueueControl(
            "paused" in paused, frozenset(clusters), number_or_none(fields.get("limit"))
        )

    def _order(self, script: scripts.Script, *args: Any) -> Any:
        """Run a script about notices."""
        with self._explained_refusals():
            return script.run(self.connection, self.order_keys, *args)

    def _command(self, name: str, *args: Any) -> Any:
        """Run a command on the key of what holds the queue back."""
        with self._explained_refusals():
            return self.connection.execute_command(
                name, self.order_keys[0], *args, NEVER_DECODE=True
            )


def pause_field(cluster_id: str) -> str:
    """Name the field for a pause of one cluster, or of all."""
    return f"paused:{cluster_id}" if cluster_id else "paused"


def number_or_none(text: bytes | str | None) -> int | None:
    """Read a number of up to 16 digits, as lua/deliveries/leasing.lua does; None if it is none."""
    digits = payload_text(text) if text else ""
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 16
    return int(digits) if is_number else None
