"""What every broker promises of leases and receipts, asked of each one."""

from __future__ import annotations

import pytest

from tests.integration.brokers.contract.kinds import (
    LATER,
    LEASING,
    SHORT,
    of_each,
    of_leasing_and_cluster,
    payload_texts,
    str_of,
    take_one,
)

of_each_but_custom = pytest.mark.parametrize("broker", [*LEASING, "sqs"], indirect=True)


@of_each
def test_a_leased_payload_is_not_delivered_to_another(broker, peer):
    broker.enqueue("a")
    take_one(broker)

    assert peer.dequeue(wait=0.1) == []


@of_each
def test_an_acknowledged_payload_is_gone(broker, conf):
    conf(retry=SHORT)
    broker.enqueue("a")

    assert broker.acknowledge(take_one(broker).ack_id) is True

    assert broker.dequeue(wait=2 * SHORT) == []
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_each_but_custom
def test_a_payload_comes_again_when_its_lease_has_ended(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    first = take_one(broker)

    again = take_one(peer)

    assert str_of(again.payload) == "a"
    assert again.attempt == 2
    assert again.ack_id != first.ack_id


@of_leasing_and_cluster
def test_each_delivery_counts(broker, conf):
    conf(retry=SHORT)
    broker.enqueue("a")

    assert [take_one(broker).attempt for _ in range(4)] == [1, 2, 3, 4]


@of_leasing_and_cluster
def test_a_stale_receipt_does_nothing_and_is_told(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    old = take_one(broker).ack_id
    conf(retry=30)
    new = take_one(peer).ack_id

    assert broker.acknowledge(old) is False
    assert broker.extend([old], 0) == {old}
    assert broker.release([old]) == {old}
    assert broker.read(old) is None
    broker.move_to_dead_letters(old, "a")
    assert broker.dead_size() == 0
    assert peer.dequeue(wait=0.1) == []
    assert peer.acknowledge(new) is True


@of_leasing_and_cluster
def test_a_receipt_is_good_until_somebody_else_has_the_payload(broker, conf, wait_until):
    conf(retry=SHORT)
    broker.enqueue("a")
    delivery = take_one(broker)
    wait_until(lambda: broker.queue_size() == 1)

    assert broker.acknowledge(delivery.ack_id) is True
    assert broker.acknowledge(delivery.ack_id) is False


@of_leasing_and_cluster
def test_many_receipts_are_judged_one_by_one(broker):
    broker.enqueue_many("ab")
    old = [d.ack_id for d in broker.dequeue(2, wait=0)]
    broker.enqueue_many("cd")
    fresh = [d.ack_id for d in broker.dequeue(2, wait=0)]
    broker.extend(old, 0)
    again = [d.ack_id for d in broker.dequeue(2, wait=30)]
    again += [d.ack_id for d in broker.dequeue(2 - len(again), wait=30)] if len(again) < 2 else []

    assert broker.acknowledge_many([*old, *fresh, again[0]]) == set(old)
    assert broker.acknowledge_many([]) == set()
    assert broker.lock_size() == 1


@of_each_but_custom
def test_an_extended_lease_lasts_longer(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    delivery = take_one(broker)

    assert broker.extend([delivery.ack_id], 30) == set()

    assert peer.dequeue(wait=2 * SHORT) == []
    assert broker.acknowledge(delivery.ack_id) is True


@of_leasing_and_cluster
def test_a_lease_can_be_let_go_until_a_time(broker, peer):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.extend([delivery.ack_id], LATER)

    assert peer.dequeue(wait=0) == []
    assert take_one(peer).attempt == 2


@of_leasing_and_cluster
def test_a_released_payload_comes_again_at_once(broker, peer):
    broker.enqueue("a")
    delivery = take_one(broker)

    assert broker.release([delivery.ack_id]) == set()

    again = take_one(peer, wait=0)
    assert again.attempt == 2
    assert broker.acknowledge(delivery.ack_id) is False
    assert peer.acknowledge(again.ack_id) is True


@of_leasing_and_cluster
def test_a_release_need_not_count(broker, peer):
    broker.enqueue("a")
    broker.release([take_one(broker).ack_id])
    second = take_one(broker)

    broker.release([second.ack_id], count=False)

    assert take_one(peer, wait=0).attempt == 2
    assert broker.acknowledge(second.ack_id) is False


@of_leasing_and_cluster
def test_what_is_handed_back_unseen_comes_first_and_in_order(broker, peer):
    broker.enqueue_many("abcd")
    deliveries = broker.dequeue(3, wait=0)

    broker.release([d.ack_id for d in deliveries], count=False)

    again = peer.dequeue(9, wait=0)
    assert payload_texts(again) == ["a", "b", "c", "d"]
    assert {d.attempt for d in again} == {1}
    assert broker.acknowledge_many([d.ack_id for d in deliveries]) == {d.ack_id for d in deliveries}


@of_leasing_and_cluster
@pytest.mark.parametrize("count", [True, False])
def test_a_release_can_be_for_later(broker, peer, count):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.release([delivery.ack_id], delay=LATER, count=count)

    assert peer.dequeue(wait=0) == []
    assert take_one(peer).attempt == 1 + count
