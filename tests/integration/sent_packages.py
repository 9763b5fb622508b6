"""Packages that a call has sent."""

from __future__ import annotations

from typing import Any

from django_q.signing import SignedPackage


def sent(broker: Any) -> dict[str, Any]:
    """Take the package that was sent last off the queue."""
    (delivery,) = broker.dequeue(1, 1)
    broker.acknowledge(delivery.ack_id)
    return SignedPackage.loads(delivery.payload)
