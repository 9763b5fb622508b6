"""What every broker promises of replacing a task that waits."""

from __future__ import annotations

from tests.integration.brokers.contract.kinds import (
    KEY,
    call,
    make_terms,
    of_serving,
    payload_texts,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


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
