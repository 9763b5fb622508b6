"""What every broker promises of queues, asked of each one."""

from __future__ import annotations

import pickle

import pytest

from django_q.brokers import adapt_broker, get_broker
from tests.integration.brokers.contract.kinds import (
    LEASING,
    joined,
    of_each,
    of_leasing,
    payload_texts,
    take_one,
)

of_each_but_sqs = pytest.mark.parametrize("broker", [*LEASING, "custom"], indirect=True)


@of_leasing
def test_a_queue_is_purged_of_what_waits(broker):
    broker.enqueue_many("ab")
    held = take_one(broker)
    broker.enqueue("later", delay=20)

    broker.purge_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    assert broker.acknowledge(held.ack_id) is True


@of_leasing
def test_a_queue_is_deleted_with_all_in_it(broker):
    broker.enqueue_many("ab")
    held = take_one(broker)
    broker.enqueue("later", delay=20)

    broker.delete_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.acknowledge(held.ack_id) is False


@of_leasing
def test_a_delayed_payload_can_be_deleted(broker):
    later = broker.enqueue("later", delay=20)

    assert broker.delete(later)

    assert broker.lock_size() == 0


@of_each
def test_queues_do_not_mix(broker):
    other = adapt_broker(get_broker("other"))
    other.enqueue("b")

    assert broker.dequeue(wait=0) == []
    assert payload_texts(other.dequeue(wait=0)) == ["b"]
    other.delete_queue()
    other.close()


@of_each
def test_a_broker_travels_by_name(broker, peer):
    broker.enqueue("a")

    assert type(peer) is type(broker)
    assert peer.list_key == broker.list_key
    assert payload_texts(peer.dequeue(wait=0)) == ["a"]


@of_each
def test_a_broker_works_again_after_it_was_closed(broker):
    broker.enqueue("a")
    broker.close()

    assert payload_texts(broker.dequeue(wait=0)) == ["a"]


@of_each
def test_a_broker_says_what_it_is(broker):
    assert broker.ping() is True
    assert broker.info()
    assert adapt_broker(broker) is broker
    assert type(adapt_broker(get_broker())) is type(broker)


@of_each_but_sqs
def test_consumers_at_once_never_get_the_same_delivery(broker, in_thread):
    total = 2_000
    broker.enqueue_many(str(n) for n in range(total))

    def consume():
        consumer = pickle.loads(pickle.dumps(broker))
        taken = []
        while deliveries := consumer.dequeue(7, wait=0.2):
            taken += payload_texts(deliveries)
            assert consumer.acknowledge_many([d.ack_id for d in deliveries]) == set()
        consumer.close()
        return taken

    taken = [join() for join in [in_thread(consume) for _ in range(4)]]

    assert sorted(map(int, joined(taken))) == list(range(total))
