"""What the tests of all brokers read of deliveries."""

from __future__ import annotations

from collections.abc import Iterable

from django_q.brokers.base import Delivery


def payloads(deliveries: Iterable[Delivery]) -> list[str]:
    """List the payloads of deliveries, in their order."""
    return [delivery.payload for delivery in deliveries]
