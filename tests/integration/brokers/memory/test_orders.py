"""Orders for a queue in memory: what depends on its clock."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.orders import NOTICE_SECONDS, QueueControl
from django_q.brokers.memory import Memory, clear_queues


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def broker(make_broker, clock):
    make_broker("memory")
    return Memory(now=lambda: clock[0])


def test_a_notice_has_the_time_of_the_queues_clock(broker, clock):
    broker.post_notice("a", "first")
    clock[0] += 5
    broker.post_notice("b", "second")

    assert broker.notices().values == {"a": (1000.0, "first"), "b": (1005.0, "second")}


def test_a_notice_is_over_by_the_queues_clock(broker, clock):
    broker.post_notice("a", "text", seconds=10)
    clock[0] += 9.9
    assert list(broker.notices().values) == ["a"]

    clock[0] += 0.1

    assert broker.notices().values == {}
    assert broker.withdraw_notices(["a"]) == 0


def test_no_notice_is_kept_longer_than_notices_are(broker, clock):
    broker.post_notice("a", "text", seconds=10 * NOTICE_SECONDS)
    clock[0] += NOTICE_SECONDS - 1
    assert list(broker.notices().values) == ["a"]

    clock[0] += 1

    assert broker.notices().values == {}


def test_orders_are_forgotten_for_the_next_test(broker):
    broker.pause(), broker.set_limit(1), broker.post_notice("a", "text")

    clear_queues()

    assert broker.control() == QueueControl()
    assert broker.notices() == (0, {})
