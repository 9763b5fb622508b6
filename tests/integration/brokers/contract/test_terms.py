"""What every broker promises of times, priorities and leases of tasks with terms."""

from __future__ import annotations

import time
from functools import partial

import pytest

from tests.integration.brokers.contract.kinds import (
    LATER,
    LEASE,
    absolute,
    make_terms,
    of_serving,
    payload_texts,
    put,
    relative,
    str_of,
    take_all,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


@of_serving
def test_a_task_with_terms_is_delivered_as_any_other(broker, peer):
    put(broker, "one:two:three")

    delivery = take_one(peer)

    assert str_of(delivery.payload) == "one:two:three"
    assert (delivery.attempt, delivery.expires_in) == (1, None)
    assert str_of(peer.read(delivery.ack_id)) == "one:two:three"
    assert broker.dequeue(wait=0) == []
    assert peer.acknowledge(delivery.ack_id) is True
    assert peer.acknowledge(delivery.ack_id) is False
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_serving
@pytest.mark.parametrize("when", [relative, absolute])
def test_a_task_comes_when_it_is_due(broker, when):
    start = time.time()
    put(broker, "later", **when(LATER))

    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    assert broker.dequeue(wait=0) == []
    assert str_of(take_one(broker).payload) == "later"
    assert time.time() - start >= LATER - 0.01


@of_serving
def test_a_task_that_comes_due_wakes_who_waits(broker, peer, in_thread):
    start = time.monotonic()
    taken = in_thread(lambda: (broker.dequeue(wait=30), broker.close())[0])
    time.sleep(0.2)  # until the other blocks

    put(peer, "later", delay=LATER)

    assert payload_texts(taken()) == ["later"]
    assert LATER <= time.monotonic() - start < 15


@of_serving
def test_a_task_with_terms_wakes_who_waits(broker, peer, in_thread):
    taken = in_thread(lambda: (broker.dequeue(wait=30), time.monotonic(), broker.close())[:2])
    time.sleep(0.2)  # until the other blocks

    start = time.monotonic()
    put(peer, "now", priority=5)

    deliveries, end = taken()
    assert payload_texts(deliveries) == ["now"]
    assert end - start < 15


@of_serving
def test_a_crashed_task_comes_again_with_all_it_had(broker, peer):
    task_id = put(broker, "crashed", priority=-5, unique="a" * 32, expires_in=1000)
    put(broker, "low", priority=-50)
    first = take_one(broker)
    let_pass(broker, LEASE + 1)

    again = take_one(peer)

    assert (str_of(again.payload), again.attempt) == ("crashed", 2)
    assert 0 < again.expires_in <= 1000 - LEASE - 1
    assert broker.acknowledge(first.ack_id) is False
    found = broker.find(task_id)
    assert (found.task_id, found.priority, found.attempts) == (task_id, -5, 2)
    assert peer.acknowledge(again.ack_id) is True
    assert broker.find(task_id) is None


@of_serving
def test_a_lease_of_a_task_with_terms_can_be_extended_and_let_go(broker, peer):
    put(broker, "a", priority=1)
    delivery = take_one(broker)

    assert broker.extend([delivery.ack_id], 2 * LEASE) == set()
    let_pass(broker, LEASE + 1)
    assert peer.dequeue(wait=0) == []
    assert broker.extend([delivery.ack_id], 0) == set()
    again = take_one(peer)

    assert again.attempt == 2
    assert broker.extend([delivery.ack_id], 5) == {delivery.ack_id}
    assert broker.release([delivery.ack_id]) == {delivery.ack_id}
    assert broker.read(delivery.ack_id) is None


@of_serving
def test_receipts_of_both_kinds_are_judged_one_by_one(broker):
    broker.enqueue("plain")
    put(broker, "termed")
    old = [each.ack_id for each in broker.dequeue(9, wait=0)]
    broker.release(old)
    fresh = [each.ack_id for each in broker.dequeue(9, wait=0)]

    assert len(fresh) == 2
    assert broker.extend([*old, *fresh], LEASE) == set(old)
    assert broker.acknowledge_many([*old, *fresh]) == set(old)
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_serving
@pytest.mark.parametrize(
    "expiry", [lambda: {"expires_in": 100}, lambda: {"expires_at": time.time() + 100}]
)
def test_a_delivery_says_when_it_expires(broker, expiry):
    put(broker, "a", **expiry())

    first = take_one(broker)
    let_pass(broker, LEASE + 1)
    second = take_one(broker)
    let_pass(broker, 100)
    third = take_one(broker)

    assert 90 < first.expires_in <= 100
    assert 55 < second.expires_in < 70
    assert third.expires_in < 0


@of_serving
def test_a_task_that_expires_while_it_waits_is_delivered_for_its_end_to_be_recorded(broker):
    put(broker, "a", priority=-7, expires_in=5, delay=20)
    let_pass(broker, 21)

    assert take_one(broker).expires_in < 0


@of_serving
def test_a_task_with_terms_can_be_moved_to_the_dead_letters(broker):
    task_id = put(broker, "a")
    delivery = take_one(broker)

    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert broker.dead_size() == 1
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.find(task_id) is None
    assert broker.acknowledge(delivery.ack_id) is False


@of_serving
def test_many_tasks_are_enqueued_all_or_none(broker):
    tasks = [(str(n), make_terms(priority=n % 3)) for n in range(1_000)]

    enqueued = broker.enqueue_tasks(iter(tasks))

    assert [each.task_id for each in enqueued] == [terms.task_id for _payload, terms in tasks]
    assert all(each.is_new for each in enqueued)
    assert take_all(broker) == [str(n) for rest in (2, 1, 0) for n in range(rest, 1_000, 3)]
    with pytest.raises(ZeroDivisionError):
        broker.enqueue_tasks((str(1 / n), make_terms()) for n in (1, 0))
    assert broker.queue_size() == 0
    assert broker.enqueue_tasks([]) == []


@of_serving
def test_a_queue_is_purged_of_tasks_that_nobody_holds(broker):
    held_id = put(broker, "held", priority=9)
    held = take_one(broker)
    for options in ({}, {"delay": 50}, {"priority": 5}, {"priority": -5}):
        put(broker, "a", **options)

    broker.purge_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    assert [each.task_id for each in broker.list_tasks()] == [held_id]
    assert broker.acknowledge(held.ack_id) is True


@of_serving
def test_a_queue_is_deleted_with_all_tasks(broker):
    put(broker, "held")
    held = take_one(broker)
    ids = [put(broker, "a", **options) for options in ({}, {"delay": 50}, {"priority": 5})]

    broker.delete_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert list(map(broker.find, ids)) == [None] * 3
    assert broker.list_tasks() == []
    assert broker.acknowledge(held.ack_id) is False


@of_serving
def test_a_large_payload_with_terms_comes_back_whole(broker):
    put(broker, "x" * 10_000_000)

    assert len(take_one(broker).payload) == 10_000_000


@of_serving
def test_consumers_at_once_never_get_the_same_task(broker, peer, in_thread):
    names = [str(n) for n in range(400)]
    broker.enqueue_tasks((name, make_terms(priority=int(name) % 5)) for name in names)

    def consume(consumer):
        taken = []
        while deliveries := consumer.dequeue(7, wait=0.2):
            taken += payload_texts(deliveries)
            assert consumer.acknowledge_many([each.ack_id for each in deliveries]) == set()
        consumer.close()
        return taken

    taken = [join() for join in [in_thread(partial(consume, each)) for each in (broker, peer)]]

    assert sorted(taken[0] + taken[1]) == sorted(names)
