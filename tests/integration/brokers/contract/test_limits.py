"""What every broker promises of how many tasks of a queue may be leased at a time."""

from __future__ import annotations

import time
from functools import partial

import pytest

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import LIMIT_ORDER, QueueControl
from tests.integration.brokers.contract.kinds import (
    LATER,
    LEASE,
    make_terms,
    of_serving,
    payload_texts,
    put,
    str_of,
    take_all,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.brokers.contract.steering import MARK, of_both_sorts
from tests.integration.brokers.contract.test_pausing import IDLE_CPU_SECONDS


@of_serving
def test_a_broker_says_that_it_knows_limits(broker):
    assert LIMIT_ORDER in broker.obeys


@of_serving
@of_both_sorts
def test_no_more_tasks_are_leased_than_the_limit(broker, peer, put_one):
    for payload in "abcde":
        put_one(broker, payload)

    broker.set_limit(3)

    assert peer.control() == QueueControl(limit=3)
    assert payload_texts(broker.dequeue(2, wait=0)) == ["a", "b"]
    assert payload_texts(peer.dequeue(9, wait=0)) == ["c"]
    assert peer.is_held is False
    assert broker.dequeue(wait=0) == []
    assert broker.is_held is True
    assert (broker.queue_size(), broker.lock_size()) == (2, 3)


@of_serving
def test_tasks_of_both_sorts_count_together(broker):
    for n in range(3):
        broker.enqueue(f"plain {n}")
        put(broker, f"termed {n}")

    broker.set_limit(4)

    assert len(broker.dequeue(9, wait=0)) == 4
    assert broker.dequeue(9, wait=0) == []


@of_serving
@of_both_sorts
def test_the_end_of_one_task_makes_room_for_another(broker, put_one):
    for payload in "abc":
        put_one(broker, payload)
    broker.set_limit(1)

    for payload in "abc":
        (delivery,) = broker.dequeue(9, wait=0)
        assert str_of(delivery.payload) == payload
        assert broker.dequeue(9, wait=0) == []
        broker.acknowledge(delivery.ack_id)

    assert broker.dequeue(wait=0) == []


@of_serving
@of_both_sorts
def test_delayed_tasks_do_not_count(broker, put_one):
    broker.set_limit(2)
    broker.enqueue("plain", delay=50)
    put(broker, "termed", delay=50)
    put_one(broker, "released")
    broker.release([take_one(broker).ack_id], delay=50)
    for payload in "abc":
        put_one(broker, payload)

    assert take_all(broker) == ["a", "b"]
    assert broker.count_tasks()[:3] == (1, 3, 2)


@of_serving
@of_both_sorts
def test_released_tasks_do_not_count(broker, put_one):
    broker.set_limit(2)
    for payload in "abc":
        put_one(broker, payload)
    receipts = [each.ack_id for each in broker.dequeue(9, wait=0)]

    broker.release(receipts[:1])

    assert len(broker.dequeue(9, wait=0)) == 1
    assert broker.dequeue(9, wait=0) == []


@of_serving
@of_both_sorts
def test_lost_leases_do_not_count_and_are_within_the_limit_again(broker, put_one):
    for payload in "abcd":
        put_one(broker, payload)
    broker.dequeue(4, wait=0)  # all: where lost ones stand among those that wait is the broker's
    let_pass(broker, LEASE + 1)

    broker.set_limit(2)

    assert len(broker.dequeue(9, wait=0)) == 2
    assert broker.dequeue(9, wait=0) == []


@of_serving
@of_both_sorts
def test_a_limit_of_nothing_holds_the_queue(broker, put_one):
    put_one(broker, "a")

    broker.set_limit(0)

    assert broker.control() == QueueControl(limit=0)
    assert broker.dequeue(wait=0) == []
    assert broker.is_held is True
    broker.set_limit(1)
    assert take_all(broker) == ["a"]


@of_serving
@of_both_sorts
def test_a_limit_below_what_is_leased_takes_nothing_away(broker, put_one):
    for payload in "abcde":
        put_one(broker, payload)
    receipts = [each.ack_id for each in broker.dequeue(4, wait=0)]

    broker.set_limit(2)

    assert broker.dequeue(wait=0) == []
    assert broker.acknowledge_many(receipts[:2]) == set()
    assert broker.dequeue(wait=0) == []
    assert broker.acknowledge_many(receipts[2:3]) == set()
    assert take_all(broker) == ["e"]
    assert broker.acknowledge_many(receipts[3:]) == set()


@of_serving
def test_a_limit_can_be_taken_away(broker, peer):
    broker.enqueue_many("abc")
    broker.set_limit(1)
    broker.dequeue(9, wait=0)

    peer.set_limit(None)

    assert broker.control() == QueueControl()
    assert take_all(broker) == ["b", "c"]


@of_serving
def test_a_limit_and_a_pause_hold_each_for_itself(broker):
    broker.enqueue("a")
    broker.set_limit(0), broker.pause()

    assert broker.control() == QueueControl(True, frozenset(), 0)
    broker.resume()
    assert broker.dequeue(wait=0) == []
    broker.pause(), broker.set_limit(5)
    assert broker.dequeue(wait=0) == []
    broker.resume()
    assert take_all(broker) == ["a"]
    assert broker.control() == QueueControl(limit=5)


@of_serving
def test_a_task_that_is_cancelled_counts_while_it_is_leased(broker):
    broker.set_limit(2)
    broker.enqueue_many("abc")
    broker.cancel_task(put(broker, "marked"), MARK)

    assert len(broker.dequeue(9, wait=0)) == 2
    assert broker.dequeue(9, wait=0) == []
    assert broker.count_tasks()[:3] == (2, 0, 2)


@of_serving
def test_the_end_of_a_task_wakes_who_is_held(broker, peer, in_thread):
    broker.enqueue_many("ab")
    broker.set_limit(1)
    receipt = take_one(broker).ack_id
    taken = in_thread(lambda: (peer.dequeue(wait=30), time.monotonic(), peer.close())[:2])
    time.sleep(0.3)  # until the other waits

    start = time.monotonic()
    broker.acknowledge(receipt)

    deliveries, end = taken()
    assert payload_texts(deliveries) == ["b"]
    assert end - start < 15


@of_serving
def test_a_higher_limit_wakes_who_is_held(broker, peer, in_thread):
    put(broker, "a")
    broker.set_limit(0)
    taken = in_thread(lambda: (peer.dequeue(wait=30), time.monotonic(), peer.close())[:2])
    time.sleep(0.3)  # until the other waits

    start = time.monotonic()
    broker.set_limit(1)

    deliveries, end = taken()
    assert payload_texts(deliveries) == ["a"]
    assert end - start < 15


@of_serving
def test_the_loss_of_a_lease_makes_room_for_who_is_held(broker):
    broker.enqueue_many("ab")
    broker.set_limit(1)
    broker.extend([take_one(broker).ack_id], LATER)

    assert broker.dequeue(wait=0) == []
    assert len(broker.dequeue(9, wait=30)) == 1


@of_serving
def test_to_wait_at_a_limit_takes_its_time_and_little_work(broker):
    broker.enqueue_many("abc")
    broker.set_limit(1)
    take_one(broker)
    start, cpu = time.monotonic(), time.process_time()

    assert broker.dequeue(wait=1) == []

    assert 0.9 < time.monotonic() - start < 15
    assert time.process_time() - cpu < IDLE_CPU_SECONDS


@of_serving
def test_consumers_at_once_never_exceed_the_limit(broker, peer, in_thread):
    total, limit = 60, 3
    broker.enqueue_many(str(n) for n in range(0, total, 2))
    broker.enqueue_tasks((str(n), make_terms()) for n in range(1, total, 2))
    broker.set_limit(limit)

    def consume(consumer):
        taken, leased = [], []
        while len(deliveries := consumer.dequeue(2, wait=2)):
            leased.append(consumer.count_tasks().leased)
            taken += payload_texts(deliveries)
            consumer.acknowledge_many([each.ack_id for each in deliveries])
        consumer.close()
        return taken, leased

    results = [join() for join in [in_thread(partial(consume, each)) for each in (broker, peer)]]

    assert sorted(int(n) for taken, _ in results for n in taken) == list(range(total))
    assert max(n for _, leased in results for n in leased) <= limit


@of_serving
@pytest.mark.parametrize("empty", ["delete_queue", "purge_queue"])
def test_a_limit_stays_when_the_queue_is_emptied(broker, empty):
    broker.enqueue("a")
    broker.set_limit(1)

    getattr(broker, empty)()

    broker.enqueue_many("bc")
    assert take_all(broker) == ["b"]


@of_serving
def test_a_limit_is_of_one_queue(broker):
    other = get_broker("other")
    other.delete_queue()

    broker.set_limit(0)

    assert other.control() == QueueControl()
    other.enqueue("a")
    assert take_one(other)
    other.delete_queue()
    other.close()
