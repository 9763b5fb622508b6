"""What every broker promises of the unique keys of tasks that are cancelled."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.orders import REMOVED, REQUESTED
from tests.integration.brokers.contract.kinds import (
    KEY,
    LEASE,
    call,
    digest,
    make_terms,
    of_serving,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.brokers.contract.steering import MARK, MARKED, take_states


def start_with_successor(broker):
    """Lease a task, behind which another one of its key waits: delivery, and both ids."""
    first = put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    return delivery, first, put(broker, "successor", unique=KEY, is_successor=True)


@of_serving
@pytest.mark.parametrize("options", [{}, {"delay": 50}, {"unique_for": 60}])
def test_the_key_of_a_task_that_never_begins_is_free(broker, options):
    task_id = put(broker, "first", unique=KEY, **options)

    broker.cancel_task(task_id, MARK)

    assert broker.find_duplicate(make_terms(unique=KEY)) is None
    assert call(broker).is_new
    assert take_states(broker) == {"first": MARKED, "again": None}


@of_serving
def test_a_key_that_is_free_again_is_not_freed_by_the_end_of_the_task_that_was_cancelled(broker):
    broker.cancel_task(put(broker, "first", unique=KEY, unique_for=60), MARK)
    delivery = take_one(broker)
    second = put(broker, "second", unique=KEY)

    broker.acknowledge(delivery.ack_id)

    assert call(broker)[:2] == (second, False)
    broker.acknowledge(take_one(broker).ack_id)
    assert call(broker).is_new


@of_serving
def test_an_idempotency_key_stays_for_its_time(broker):
    key = {"idempotency": digest("i"), "idempotency_for": 60}
    task_id = put(broker, "first", **key)

    broker.cancel_task(task_id, MARK)

    assert broker.enqueue_task("again", make_terms(**key))[:2] == (task_id, False)


@of_serving
def test_a_successor_that_is_cancelled_does_not_wait_for_the_task_before_it(broker):
    delivery, _first, successor = start_with_successor(broker)

    assert broker.cancel_task(successor, MARK) == REMOVED

    again = take_one(broker, wait=0)
    assert (str_of(again.payload), again.state) == ("successor", MARKED)
    assert broker.acknowledge(again.ack_id) is True
    assert broker.acknowledge(delivery.ack_id) is True
    assert call(broker).is_new


@of_serving
def test_another_successor_waits_where_one_was_cancelled(broker):
    delivery, _first, successor = start_with_successor(broker)
    broker.cancel_task(successor, MARK)

    third = put(broker, "third", unique=KEY, is_successor=True)

    assert call(broker, is_successor=True)[:2] == (third, False)
    assert take_states(broker) == {"successor": MARKED}
    broker.acknowledge(delivery.ack_id)
    assert take_states(broker) == {"third": None}


@of_serving
def test_a_task_that_is_leased_keeps_its_key_until_its_end(broker):
    delivery, first, _successor = start_with_successor(broker)

    assert broker.cancel_task(first, MARK) == REQUESTED

    assert broker.dequeue(wait=0) == []
    broker.acknowledge(delivery.ack_id)
    assert take_states(broker) == {"successor": None}


@of_serving
def test_a_successor_waits_for_a_task_that_comes_again_to_be_ended(broker):
    delivery, first, _successor = start_with_successor(broker)
    broker.cancel_task(first, MARK)

    broker.release([delivery.ack_id], delay=50)

    assert take_states(broker) == {"first": MARKED}
    let_pass(broker, LEASE + 1)
    assert take_states(broker) == {"first": MARKED}
    assert broker.delete(take_after_crash(broker).ack_id)
    assert take_states(broker) == {"successor": None}


def take_after_crash(broker):
    let_pass(broker, LEASE + 1)
    return take_one(broker, wait=0)


@of_serving
def test_a_successor_begins_when_the_task_before_it_waits_and_is_cancelled(broker):
    delivery, first, _successor = start_with_successor(broker)
    broker.release([delivery.ack_id], delay=50)

    assert broker.cancel_task(first, MARK) == REMOVED

    assert take_states(broker) == {"first": MARKED, "successor": None}


@of_serving
def test_a_marked_task_can_not_be_replaced(broker):
    task_id = put(broker, "first", unique=KEY, delay=50)
    found = call(broker)
    broker.cancel_task(task_id, MARK)

    new = make_terms(task_id=task_id, unique=KEY)
    assert broker.replace_task(found.version, "second", new) is False

    assert take_states(broker) == {"first": MARKED}


@of_serving
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_marked_task_that_comes_again_counts_as_leased_for_its_key(broker, is_lost):
    task_id = put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    broker.cancel_task(task_id, MARK)
    if is_lost:
        let_pass(broker, LEASE + 1)
    else:
        broker.release([delivery.ack_id])

    found = call(broker)

    assert tuple(found) == (task_id, False, None)
    put(broker, "successor", unique=KEY, is_successor=True)
    assert take_states(broker) == {"first": MARKED}
