"""What every broker promises of payloads, asked of each one."""

from __future__ import annotations

from tests.integration.brokers.contract.kinds import (
    joined,
    of_each,
    of_leasing,
    payload_texts,
    str_of,
    take_one,
)


@of_each
def test_a_payload_comes_back_as_it_was(broker):
    broker.enqueue("one:two:three")

    delivery = take_one(broker)

    assert str_of(delivery.payload) == "one:two:three"
    assert delivery.attempt == 1


@of_each
def test_an_empty_queue_gives_nothing(broker):
    assert broker.dequeue(wait=0) == []


@of_leasing
def test_payloads_come_in_order_and_no_more_than_asked_for(broker):
    for letter in "abcd":
        broker.enqueue(letter)

    first, second = broker.dequeue(3, wait=0), broker.dequeue(3, wait=0)

    assert payload_texts(first) == ["a", "b", "c"]
    assert payload_texts(second) == ["d"]


@of_leasing
def test_many_are_enqueued_at_once_in_order(broker):
    ids = broker.enqueue_many(str(n) for n in range(10_000))

    taken = [broker.dequeue(4_000, wait=0) for _ in range(4)]

    assert len(set(ids)) == 10_000
    assert payload_texts(joined(taken)) == [str(n) for n in range(10_000)]
    assert broker.acknowledge_many(d.ack_id for d in joined(taken)) == set()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_each
def test_nothing_is_enqueued_of_nothing(broker):
    assert broker.enqueue_many([]) == []
    assert broker.queue_size() == 0


@of_leasing
def test_a_large_payload_comes_back_whole(broker):
    broker.enqueue("x" * 10_000_000)

    assert len(take_one(broker).payload) == 10_000_000


@of_each
def test_junk_is_delivered_for_others_to_judge(broker):
    broker.enqueue(b"\xff\xfe junk \x80")

    delivery = take_one(broker)

    assert b"junk" in (
        delivery.payload if isinstance(delivery.payload, bytes) else delivery.payload.encode()
    )
    assert broker.acknowledge(delivery.ack_id) is True


@of_leasing
def test_the_payload_of_a_delivery_can_be_read(broker):
    broker.enqueue("a")
    delivery = take_one(broker)

    assert str_of(broker.read(delivery.ack_id)) == "a"
    broker.acknowledge(delivery.ack_id)
    assert broker.read(delivery.ack_id) is None


@of_leasing
def test_a_payload_can_be_buried(broker):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert broker.dead_size() == 1
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.acknowledge(delivery.ack_id) is False
