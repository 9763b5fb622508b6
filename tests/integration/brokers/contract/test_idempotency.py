"""What every broker promises of calls that are repeated, and of calls at once."""

from __future__ import annotations

import pytest

from django_q.brokers.terms import Enqueued
from tests.integration.brokers.contract.key_ends import ENDS
from tests.integration.brokers.contract.kinds import (
    KEY,
    call,
    digest,
    make_terms,
    of_serving,
    payload_texts,
    put,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


@of_serving
@pytest.mark.parametrize("end", [None, *ENDS])
def test_a_call_that_is_repeated_gets_the_id_of_the_first(broker, peer, end):
    key = {"idempotency": digest("i"), "idempotency_for": 3600}
    first = put(broker, "first", **key)
    if end:
        end(broker)

    again = peer.enqueue_task("again", make_terms(**key))

    assert again == Enqueued(first, is_new=False)
    assert peer.find_duplicate(make_terms(**key)) == Enqueued(first, is_new=False)
    let_pass(broker, 3500)
    assert not broker.enqueue_task("again", make_terms(**key)).is_new
    let_pass(broker, 101)
    assert broker.enqueue_task("again", make_terms(**key)).is_new


@of_serving
def test_the_key_of_a_call_that_replaced_a_task_is_kept_too(broker):
    key = {"idempotency": digest("i"), "idempotency_for": 3600}
    first = put(broker, "first", unique=KEY)
    terms = make_terms(task_id=first, unique=KEY, **key)
    assert broker.replace_task(call(broker).version, "second", terms) is True
    broker.acknowledge(take_one(broker).ack_id)

    again = call(broker, **key)

    assert again == Enqueued(first, is_new=False)


@of_serving
def test_a_task_that_lost_to_another_keeps_no_key(broker):
    put(broker, "first", unique=KEY)
    lost = make_terms(unique=KEY, idempotency=digest("i"), idempotency_for=3600)
    assert not broker.enqueue_task("second", lost).is_new

    assert put(broker, "third", idempotency=digest("i"), idempotency_for=3600)


@of_serving
def test_of_a_batch_the_first_of_a_key_is_enqueued(broker):
    tasks = [make_terms(unique=KEY), make_terms(unique=KEY), make_terms(unique=digest("b"))]

    enqueued = broker.enqueue_tasks([(each.task_id, each) for each in tasks])

    assert [each.is_new for each in enqueued] == [True, False, True]
    assert enqueued[1].task_id == tasks[0].task_id
    assert payload_texts(broker.dequeue(9, wait=0)) == [tasks[0].task_id, tasks[2].task_id]


@of_serving
def test_of_calls_at_once_one_is_enqueued(broker, peer, in_thread):
    def enqueue(caller):
        found = [call(caller, unique=digest(letter)) for letter in "abcdef"]
        caller.close()
        return found

    joins = [in_thread(lambda each=each: enqueue(each)) for each in (broker, peer)]
    pairs = list(zip(*(join() for join in joins), strict=True))

    assert [one.is_new + two.is_new for one, two in pairs] == [1] * 6
    assert [one.task_id == two.task_id for one, two in pairs] == [True] * 6
    assert broker.queue_size() == 6


@of_serving
def test_a_task_with_terms_is_enqueued_once_under_a_key(broker):
    terms = make_terms(priority=4, delay=10)

    assert broker.enqueue_once("a", "key", terms) is True
    assert broker.enqueue_once("b", "key", make_terms()) is False
    assert broker.enqueue_once("c", "key") is False
    assert broker.enqueue_once("d", "other", make_terms(priority=3)) is True

    assert broker.find(terms.task_id).priority == 4
    let_pass(broker, 11)
    taken = broker.dequeue(9, wait=0)
    assert payload_texts(taken) == ["a", "d"]
    broker.acknowledge_many([each.ack_id for each in taken])
    assert broker.enqueue_once("e", "key", make_terms()) is False
    broker.release_once_keys(["key"])
    assert broker.enqueue_once("e", "key", make_terms()) is False


@of_serving
def test_enqueued_once_is_nothing_whose_unique_key_is_taken(broker):
    put(broker, "first", unique=KEY)

    assert broker.enqueue_once("a", "key", make_terms(unique=KEY)) is False

    (first,) = broker.dequeue(9, wait=0)
    assert payload_texts([first]) == ["first"]
    broker.acknowledge(first.ack_id)
    assert broker.enqueue_once("b", "key", make_terms(unique=KEY)) is True
