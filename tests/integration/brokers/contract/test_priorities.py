"""What every broker promises of the order of tasks with terms."""

from __future__ import annotations

import pytest

from django_q.brokers.terms import MAX_PRIORITY, MIN_PRIORITY, OLDEST_FIRST_INTERVAL
from tests.integration.brokers.contract.kinds import (
    LEASE,
    absolute,
    of_leasing_and_cluster,
    payload_texts,
    put,
    relative,
    str_of,
    take_all,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


@of_leasing_and_cluster
@pytest.mark.parametrize("when", [relative, absolute])
def test_a_task_due_in_the_past_comes_at_once_and_in_its_turn(broker, when):
    put(broker, "first", priority=1)
    put(broker, "past", priority=1, **when(-3600))
    put(broker, "third", priority=1)

    assert take_all(broker) == ["first", "past", "third"]


@of_leasing_and_cluster
def test_higher_priorities_come_first_and_ties_by_age(broker):
    for name, priority in zip("abcdefg", (0, MIN_PRIORITY, 5, -5, 5, MAX_PRIORITY, 0), strict=True):
        put(broker, name, priority=priority)

    taken = [take_all(broker) if n else payload_texts(broker.dequeue(3, wait=0)) for n in range(2)]

    assert taken == [["f", "c", "e"], ["a", "g", "d", "b"]]


@of_leasing_and_cluster
def test_plain_tasks_count_as_priority_zero(broker):
    put(broker, "low", priority=-1)
    broker.enqueue_many(["plain 1", "plain 2"])
    put(broker, "high 1", priority=1)
    broker.enqueue("plain 3")
    put(broker, "high 2", priority=1)

    taken = take_all(broker)

    assert taken == ["high 1", "high 2", "plain 1", "plain 2", "plain 3", "low"]


@of_leasing_and_cluster
def test_plain_tasks_and_those_of_priority_zero_take_turns_or_come_by_age(broker):
    broker.enqueue_many(f"plain {n}" for n in range(10))
    for number in range(10):
        put(broker, f"termed {number}")

    taken = [str_of(take_one(broker, wait=0).payload) for _ in range(20)]

    for kind in ("plain", "termed"):
        assert [each for each in taken if kind in each] == [f"{kind} {n}" for n in range(10)]


@of_leasing_and_cluster
def test_a_task_comes_due_in_its_priority(broker):
    put(broker, "low", priority=-1, delay=10)
    put(broker, "high", priority=1, delay=20)
    put(broker, "middle", priority=0)
    put(broker, "higher", priority=2)
    let_pass(broker, 21)

    assert take_all(broker) == ["higher", "high", "middle", "low"]


@of_leasing_and_cluster
@pytest.mark.parametrize("old", ["low", "plain"])
def test_nothing_starves(broker, old):
    """Of so many takes one begins with the oldest, whatever its priority; all others do not."""
    put(broker, old, priority=-9) if old == "low" else broker.enqueue(old)
    high = [f"high {n}" for n in range(3 * OLDEST_FIRST_INTERVAL)]
    for name in high:
        put(broker, name, priority=9)

    taken = [str_of(take_one(broker, wait=0).payload) for _ in range(2 * OLDEST_FIRST_INTERVAL)]

    assert old in taken
    assert [each for each in taken if each != old] == high[: len(taken) - 1]


@of_leasing_and_cluster
@pytest.mark.parametrize("count", [True, False])
def test_a_released_task_comes_again_in_its_priority_and_age(broker, peer, count):
    put(broker, "first", priority=3)
    delivery = take_one(broker)
    put(broker, "second", priority=3)
    put(broker, "higher", priority=4)
    broker.enqueue("plain")

    assert broker.release([delivery.ack_id], count=count) == set()

    again = peer.dequeue(9, wait=0)
    assert payload_texts(again) == ["higher", "first", "second", "plain"]
    assert again[1].attempt == 1 + count
    assert broker.acknowledge(delivery.ack_id) is False
    assert peer.acknowledge(again[1].ack_id) is True


@of_leasing_and_cluster
def test_a_task_released_for_later_comes_due_in_its_priority(broker, peer):
    put(broker, "low", priority=-3)
    delivery = take_one(broker)

    broker.release([delivery.ack_id], delay=20)

    assert broker.acknowledge(delivery.ack_id) is False
    assert peer.dequeue(wait=0) == []
    broker.enqueue("plain")
    put(broker, "lower", priority=-4)
    let_pass(broker, 21)
    assert take_all(peer) == ["plain", "low", "lower"]


@of_leasing_and_cluster
def test_a_lost_lease_comes_in_its_priority(broker):
    for name, priority in (("low", -1), ("high", 2)):
        put(broker, f"{name} lost", priority=priority)
    assert len(broker.dequeue(9, wait=0)) == 2
    let_pass(broker, LEASE + 1)
    for name, priority in (("low", -2), ("middle", 1)):
        put(broker, f"{name} new", priority=priority)

    taken = take_all(broker)

    assert taken.index("high lost") < taken.index("middle new")
    assert taken.index("low lost") < taken.index("low new")


@pytest.mark.parametrize("broker", ["memory", "redis", "redis62"], indirect=True)
def test_lost_leases_come_first(broker):
    """In a database they come in their priority, by the time at which the lease has ended."""
    put(broker, "lost", priority=-2)
    broker.enqueue("plain lost")
    assert len(broker.dequeue(9, wait=0)) == 2
    put(broker, "new", priority=2)
    broker.enqueue("plain new")
    let_pass(broker, LEASE + 1)

    taken = take_all(broker)

    assert sorted(taken[:2]) == ["lost", "plain lost"]
