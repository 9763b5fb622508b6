"""Fixtures of the tests of orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_q.brokers import get_broker
from tests.integration.orders.given import ORDERED_KINDS
from tests.integration.unfinished.queued import OTHER_QUEUES


@pytest.fixture(params=ORDERED_KINDS)
def queue(request, make_broker) -> Iterator[Any]:
    """Give the broker of the settings, empty: one of each kind that takes orders."""
    broker = make_broker(request.param)
    clear_queues(broker)
    yield broker
    clear_queues(broker)


def clear_queues(broker: Any) -> None:
    """Take back all orders, and delete the tasks of the other queues."""
    clear_orders(broker)
    for name in OTHER_QUEUES:
        other = get_broker(name)
        other.delete_queue()
        clear_orders(other)


def clear_orders(broker: Any) -> None:
    """Take back what holds a queue back, and its notices."""
    for cluster in broker.control().paused_clusters:
        broker.resume(cluster)
    broker.resume()
    broker.set_limit(None)
    broker.withdraw_notices(list(broker.notices().values))
