"""What every broker promises of unique keys."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from django_q.brokers.terms import Enqueued
from tests.integration.brokers.contract.key_ends import (
    ENDS,
    end_as_dead_letter,
    end_by_deletion,
    end_by_failing,
)
from tests.integration.brokers.contract.kinds import (
    KEY,
    LEASE,
    call,
    digest,
    make_terms,
    of_leasing_and_cluster,
    payload_texts,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


@of_leasing_and_cluster
@pytest.mark.parametrize("options", [{}, {"delay": 50}, {"priority": 7}])
def test_no_second_task_of_a_unique_key_waits(broker, peer, options):
    first = put(broker, "first", unique=KEY, **options)

    again = call(peer)

    assert (again.task_id, again.is_new) == (first, False)
    assert again.version
    assert put(peer, "other", unique=digest("b"))
    assert broker.queue_size() + broker.lock_size() == 2


@of_leasing_and_cluster
def test_a_key_is_taken_while_its_task_is_leased_and_after_a_crash(broker):
    first = put(broker, "first", unique=KEY)
    take_one(broker)

    assert call(broker) == Enqueued(first, is_new=False, version=None)
    let_pass(broker, LEASE + 1)
    assert call(broker)[:2] == (first, False)
    again = take_one(broker)
    assert (str_of(again.payload), again.attempt) == ("first", 2)
    assert call(broker)[:2] == (first, False)
    broker.release([again.ack_id], delay=20)
    assert call(broker)[:2] == (first, False)
    let_pass(broker, 21)
    broker.acknowledge(take_one(broker).ack_id)
    assert call(broker).is_new


@of_leasing_and_cluster
@pytest.mark.parametrize("end", ENDS)
def test_a_key_is_free_when_its_task_is_gone(broker, end):
    put(broker, "first", unique=KEY)

    end(broker)

    assert broker.find_duplicate(make_terms(unique=KEY)) is None
    assert call(broker).is_new
    assert payload_texts(broker.dequeue(9, wait=0)) == ["again"]


@of_leasing_and_cluster
def test_a_key_is_of_one_queue(broker):
    other = get_broker("other")
    other.delete_queue()
    put(broker, "first", unique=KEY, idempotency=digest("i"), idempotency_for=60)

    assert other.enqueue_task("other", make_terms(unique=KEY, idempotency=digest("i"))).is_new
    other.delete_queue()
    other.close()


@of_leasing_and_cluster
def test_a_stale_end_does_not_free_the_key_of_a_later_task(broker):
    put(broker, "first", unique=KEY)
    old = take_one(broker).ack_id
    broker.acknowledge(old)
    second = put(broker, "second", unique=KEY)

    assert broker.acknowledge(old) is False
    broker.move_to_dead_letters(old, "first")
    broker.release([old])

    assert call(broker)[:2] == (second, False)
    assert broker.dead_size() == 0


@of_leasing_and_cluster
@pytest.mark.parametrize("end", ENDS[:3])
def test_a_key_can_be_taken_beyond_the_end_for_a_time(broker, end):
    first = put(broker, "first", unique=KEY, unique_for=60)

    end(broker)

    assert call(broker) == Enqueued(first, is_new=False, version=None)
    assert broker.find_duplicate(make_terms(unique=KEY)) == Enqueued(first, is_new=False)
    let_pass(broker, 50)
    assert not call(broker).is_new
    let_pass(broker, 11)
    assert call(broker).is_new


@of_leasing_and_cluster
def test_one_successor_waits_for_the_end_of_the_task_that_is_leased(broker, peer):
    first = put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    assert call(broker)[:2] == (first, False)

    successor = put(broker, "successor", unique=KEY, is_successor=True)

    assert call(broker, is_successor=True)[:2] == (successor, False)
    assert peer.dequeue(wait=0) == []
    assert broker.queue_size() == 0
    assert {each.task_id for each in broker.list_tasks()} == {first, successor}
    assert broker.acknowledge(delivery.ack_id) is True
    again = take_one(peer)
    assert (str_of(again.payload), again.attempt) == ("successor", 1)
    assert broker.acknowledge(again.ack_id) is True
    assert call(broker).is_new


@of_leasing_and_cluster
@pytest.mark.parametrize("end", [end_as_dead_letter, end_by_failing, end_by_deletion])
def test_a_successor_begins_however_the_task_before_it_ends(broker, end):
    put(broker, "first", unique=KEY)
    broker.extend([take_one(broker).ack_id], 0)
    delivery = take_one(broker)
    put(broker, "successor", unique=KEY, is_successor=True)
    broker.extend([delivery.ack_id], 0)  # so that the end takes it once more

    end(broker)

    assert payload_texts(broker.dequeue(9, wait=0)) == ["successor"]


@of_leasing_and_cluster
def test_a_successor_wakes_who_waits(broker, peer, in_thread):
    put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    put(broker, "successor", unique=KEY, is_successor=True)
    taken = in_thread(lambda: (peer.dequeue(wait=30), peer.close())[0])

    broker.acknowledge(delivery.ack_id)

    assert payload_texts(taken()) == ["successor"]


@of_leasing_and_cluster
def test_a_successor_waits_for_a_task_that_is_released_or_crashes(broker):
    put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    put(broker, "successor", unique=KEY, is_successor=True, priority=50)

    broker.release([delivery.ack_id])
    again = broker.dequeue(9, wait=0)
    assert payload_texts(again) == ["first"]
    let_pass(broker, LEASE + 1)
    again = broker.dequeue(9, wait=0)
    assert payload_texts(again) == ["first"]
    assert again[0].attempt == 3
    broker.acknowledge(again[0].ack_id)
    assert payload_texts(broker.dequeue(9, wait=0)) == ["successor"]


@of_leasing_and_cluster
def test_a_successor_is_enqueued_at_once_where_nothing_is_before_it(broker):
    put(broker, "first", unique=KEY, is_successor=True)

    assert str_of(take_one(broker).payload) == "first"
