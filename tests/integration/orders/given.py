"""What tests of orders share: the brokers that take them, and what those tell."""

from __future__ import annotations

from typing import Any

from django_q.task_state.cancellation import read_cancellation, read_notice

#: Kinds of brokers that take orders.
ORDERED_KINDS = ["memory", "redis", "orm"]
TASK_ID = "a" * 32


def notices_of(broker: Any) -> dict[str, str]:
    """Tell what a broker's notices say."""
    values = broker.notices().values
    return {key: read_notice(broker.list_key, key, text) for key, (_, text) in values.items()}


def mark_of(broker: Any, task_id: str) -> str:
    """Take the next task, and tell what its mark says."""
    (delivery,) = broker.dequeue(1, 0)
    return read_cancellation(task_id, delivery.state.cancelled)
