"""What every broker promises of the keys of tasks: unique keys, and keys of idempotency."""

from __future__ import annotations

import pytest

from django_q.brokers.terms import Enqueued
from tests.integration.brokers.contract.kinds import (
    digest,
    make_terms,
    of_serving,
    payload_texts,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass

#: Seconds of a lease, as the fixture sets it.
LEASE = 30
KEY = digest("a")


def call(broker, payload="again", **options):
    """Enqueue a task with the key: what became of it."""
    return broker.enqueue_task(payload, make_terms(**{"unique": KEY, **options}))


def end_by_acknowledging(broker, task_id):
    assert broker.acknowledge(take_one(broker).ack_id) is True


def end_as_dead_letter(broker, task_id):
    delivery = take_one(broker)
    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)


def end_by_failing(broker, task_id):
    broker.fail(take_one(broker).ack_id)


def end_by_deletion(broker, task_id):
    assert broker.delete(take_one(broker).ack_id)


def end_by_purge(broker, task_id):
    broker.purge_queue()


def end_by_deleting_the_queue(broker, task_id):
    broker.delete_queue()


def end_by_deleting_the_queue_while_leased(broker, task_id):
    take_one(broker)
    broker.delete_queue()


ENDS = [
    end_by_acknowledging,
    end_as_dead_letter,
    end_by_failing,
    end_by_deletion,
    end_by_purge,
    end_by_deleting_the_queue,
    end_by_deleting_the_queue_while_leased,
]


@of_serving
@pytest.mark.parametrize("options", [{}, {"delay": 50}, {"priority": 7}])
def test_no_second_task_of_a_unique_key_waits(broker, peer, options):
    first = put(broker, "first", unique=KEY, **options)

    again = call(peer)

    assert (again.task_id, again.is_new) == (first, False)
    assert again.version
    assert put(peer, "other", unique=digest("b"))
    assert broker.queue_size() + broker.lock_size() == 2


@of_serving
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


@of_serving
@pytest.mark.parametrize("end", ENDS)
def test_a_key_is_free_when_its_task_is_gone(broker, end):
    task_id = put(broker, "first", unique=KEY)

    end(broker, task_id)

    assert broker.find_duplicate(make_terms(unique=KEY)) is None
    assert call(broker).is_new
    assert payload_texts(broker.dequeue(9, wait=0)) == ["again"]


@of_serving
def test_a_key_is_of_one_queue(broker, make_broker):
    from django_q.brokers import get_broker

    other = get_broker("other")
    other.delete_queue()
    put(broker, "first", unique=KEY, idempotency=digest("i"), idempotency_for=60)

    assert other.enqueue_task("other", make_terms(unique=KEY, idempotency=digest("i"))).is_new
    other.delete_queue()
    other.close()


@of_serving
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


@of_serving
@pytest.mark.parametrize("end", ENDS[:3])
def test_a_key_can_be_taken_beyond_the_end_for_a_time(broker, end):
    first = put(broker, "first", unique=KEY, unique_for=60)

    end(broker, first)

    assert call(broker) == Enqueued(first, is_new=False, version=None)
    assert broker.find_duplicate(make_terms(unique=KEY)) == Enqueued(first, is_new=False)
    let_pass(broker, 50)
    assert not call(broker).is_new
    let_pass(broker, 11)
    assert call(broker).is_new


@of_serving
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


@of_serving
@pytest.mark.parametrize("end", [end_as_dead_letter, end_by_failing, end_by_deletion])
def test_a_successor_begins_however_the_task_before_it_ends(broker, end):
    first = put(broker, "first", unique=KEY)
    broker.extend([take_one(broker).ack_id], 0)
    delivery = take_one(broker)
    put(broker, "successor", unique=KEY, is_successor=True)
    broker.extend([delivery.ack_id], 0)  # so that the end takes it once more

    end(broker, first)

    assert payload_texts(broker.dequeue(9, wait=0)) == ["successor"]


@of_serving
def test_a_successor_wakes_who_waits(broker, peer, in_thread):
    put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    put(broker, "successor", unique=KEY, is_successor=True)
    taken = in_thread(lambda: (peer.dequeue(wait=30), peer.close())[0])

    broker.acknowledge(delivery.ack_id)

    assert payload_texts(taken()) == ["successor"]


@of_serving
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


@of_serving
def test_a_successor_is_enqueued_at_once_where_nothing_is_before_it(broker):
    put(broker, "first", unique=KEY, is_successor=True)

    assert str_of(take_one(broker).payload) == "first"


@of_serving
def test_a_waiting_task_can_be_replaced(broker):
    first = put(broker, "first", unique=KEY, priority=5, delay=100)
    found = call(broker, "second")

    new = make_terms(task_id=first, unique=KEY, priority=-1, expires_in=50)
    assert broker.replace_task(found.version, "second", new) is True

    replaced = broker.find(first)
    assert (str_of(replaced.payload), replaced.priority) == ("second", -1)
    assert broker.replace_task(found.version, "third", new) is False
    assert call(broker)[:2] == (first, False)
    put(broker, "before it", priority=0)
    taken = broker.dequeue(9, wait=0)
    assert payload_texts(taken) == ["before it", "second"]
    assert 40 < taken[1].expires_in <= 50
    assert broker.acknowledge_many([each.ack_id for each in taken]) == set()
    assert broker.queue_size() + broker.lock_size() == 0
    assert call(broker).is_new


@of_serving
def test_a_replaced_task_can_be_put_off_and_wakes_who_waits(broker, peer, in_thread):
    first = put(broker, "first", unique=KEY, delay=500)
    later = make_terms(task_id=first, unique=KEY, delay=1000)
    assert broker.replace_task(call(broker).version, "later", later) is True
    let_pass(broker, 501)
    assert broker.dequeue(wait=0) == []
    taken = in_thread(lambda: (peer.dequeue(wait=30), peer.close())[0])

    now = make_terms(task_id=first, unique=KEY)
    assert broker.replace_task(call(broker).version, "now", now) is True

    assert payload_texts(taken()) == ["now"]


@of_serving
def test_a_task_that_was_taken_since_is_not_replaced(broker):
    first = put(broker, "first", unique=KEY)
    version, terms = call(broker).version, make_terms(task_id=first, unique=KEY)
    delivery = take_one(broker)

    assert broker.replace_task(version, "second", terms) is False
    broker.release([delivery.ack_id])
    assert broker.replace_task(version, "second", terms) is False
    assert str_of(broker.find(first).payload) == "first"
    again = call(broker).version
    assert broker.acknowledge(take_one(broker).ack_id) is True
    assert broker.replace_task(again, "second", terms) is False
    assert broker.queue_size() + broker.lock_size() == 0


@of_serving
def test_a_successor_can_be_replaced_and_still_waits(broker):
    put(broker, "first", unique=KEY)
    delivery = take_one(broker)
    second = put(broker, "second", unique=KEY, is_successor=True)
    found = call(broker, is_successor=True)
    assert found[:2] == (second, False)

    terms = make_terms(task_id=second, unique=KEY, is_successor=True)
    assert broker.replace_task(found.version, "third", terms) is True

    assert broker.dequeue(wait=0) == []
    broker.acknowledge(delivery.ack_id)
    assert payload_texts(broker.dequeue(9, wait=0)) == ["third"]


@of_serving
@pytest.mark.parametrize("end", [None, *ENDS])
def test_a_call_that_is_repeated_gets_the_id_of_the_first(broker, peer, end):
    key = {"idempotency": digest("i"), "idempotency_for": 3600}
    first = put(broker, "first", **key)
    if end:
        end(broker, first)

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

    assert payload_texts(broker.dequeue(9, wait=0)) == ["first"]
