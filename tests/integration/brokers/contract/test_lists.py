"""What every broker promises of the lists and counts of unfinished tasks."""

from __future__ import annotations

import time

import pytest

from django_q.brokers import get_broker
from django_q.brokers.terms import DELAYED, LEASED, TASK_STATES, WAITING
from tests.integration.brokers.contract.kinds import (
    LEASE,
    digest,
    make_terms,
    of_serving,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass


def pages(broker, state=None, limit=3):
    """List all tasks, a page at a time."""
    found, after = [], ""
    while page := broker.list_tasks(state, after, limit):
        assert len(page) <= limit
        found, after = found + page, page[-1].cursor
        assert len(found) < 1000, "pages without an end"
    return found


def payloads_of(tasks):
    return sorted(str_of(each.payload) for each in tasks)


def near(one, other):
    return abs(one - other) < 10


@of_serving
def test_a_task_is_found_by_its_id_in_each_state(broker, peer):
    start = time.time()
    task_id = put(broker, "a", priority=-3, delay=20, expires_in=500)

    found = peer.find(task_id)
    assert (str_of(found.payload), found.task_id, found.priority) == ("a", task_id, -3)
    assert (found.state, found.attempts) == (DELAYED, 0)
    assert near(found.due, start + 20)
    assert near(found.expires, start + 500)
    assert found.since is None or near(found.since, start)

    let_pass(broker, 21)
    found = peer.find(task_id)
    assert (found.state, found.due, found.attempts) == (WAITING, None, 0)

    delivery = take_one(broker)
    found = peer.find(task_id)
    assert (found.state, found.attempts, found.priority) == (LEASED, 1, -3)
    assert near(found.due, start + LEASE)

    broker.release([delivery.ack_id])
    found = peer.find(task_id)
    assert (found.state, found.attempts) == (WAITING, 1)

    broker.acknowledge(take_one(broker).ack_id)
    assert peer.find(task_id) is None


@of_serving
def test_a_task_whose_lease_was_lost_waits(broker):
    task_id = put(broker, "a")
    take_one(broker)
    let_pass(broker, LEASE + 1)

    found = broker.find(task_id)

    assert (found.state, found.due, found.attempts) == (WAITING, None, 1)


@of_serving
def test_a_task_is_found_among_many(broker):
    broker.enqueue_tasks((str(n), make_terms()) for n in range(300))
    task_id = put(broker, "last")

    assert str_of(broker.find(task_id).payload) == "last"
    assert broker.find("unknown") is None
    assert broker.find("") is None


@of_serving
def test_a_task_without_terms_is_found_by_nobody_and_listed(broker):
    broker.enqueue("plain")
    broker.enqueue("later", delay=50)

    listed = {str_of(each.payload): each for each in pages(broker)}

    assert {name: each.state for name, each in listed.items()} == {
        "plain": WAITING,
        "later": DELAYED,
    }
    assert near(listed["later"].due, time.time() + 50)
    assert all(each.priority == 0 and each.expires is None for each in listed.values())


@of_serving
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_have_each_task_once(broker, limit):
    fill(broker)

    assert payloads_of(pages(broker, None, limit)) == sorted(
        f"{kind} {state} {n}" for kind in KINDS for state in TASK_STATES for n in range(4)
    )


@of_serving
@pytest.mark.parametrize("state", TASK_STATES)
def test_pages_of_a_state_have_its_tasks_alone(broker, state):
    fill(broker)

    listed = pages(broker, state)

    assert {each.state for each in listed} == {state}
    assert payloads_of(listed) == sorted(f"{kind} {state} {n}" for kind in KINDS for n in range(4))


KINDS = ("plain", "termed")


def fill(broker):
    """Put tasks of each kind into each state: four of each."""
    for kind in KINDS:
        for number in range(4):
            enqueue(broker, kind, f"{kind} {LEASED} {number}")
    assert len(broker.dequeue(100, wait=0)) == 8
    for kind in KINDS:
        for number in range(4):
            enqueue(broker, kind, f"{kind} {WAITING} {number}")
            enqueue(broker, kind, f"{kind} {DELAYED} {number}", delay=100)


def enqueue(broker, kind, payload, delay=0):
    """Enqueue a task with or without terms."""
    if kind == "plain":
        broker.enqueue(payload, delay)
    else:
        put(broker, payload, delay=delay, priority=len(payload) % 3)


@of_serving
def test_tasks_are_counted_by_state(broker):
    assert broker.count_tasks()[:3] == (0, 0, 0)
    assert broker.count_tasks().oldest is None
    fill(broker)

    counts = broker.count_tasks()

    assert counts[:3] == (8, 8, 8)
    assert broker.queue_size() == 8
    assert broker.lock_size() == 16


@of_serving
def test_the_age_of_the_oldest_that_waits_is_told(broker):
    put(broker, "a", priority=1)
    put(broker, "later", delay=50)

    oldest = broker.count_tasks().oldest

    assert oldest is None or 0 <= oldest < 10


@of_serving
def test_a_successor_is_listed_and_counted_while_it_waits_for_another(broker):
    put(broker, "first", unique=digest("a"))
    delivery = take_one(broker)
    successor = put(broker, "successor", unique=digest("a"), is_successor=True)

    assert broker.find(successor).state == WAITING
    assert broker.count_tasks()[:3] == (1, 0, 1)
    assert payloads_of(pages(broker, WAITING)) == ["successor"]
    assert broker.queue_size() + broker.lock_size() == 2
    broker.acknowledge(delivery.ack_id)
    assert broker.queue_size() == 1


@of_serving
def test_a_task_released_for_later_is_delayed(broker):
    task_id = put(broker, "a")

    broker.release([take_one(broker).ack_id], delay=50)

    found = broker.find(task_id)
    assert (found.state, found.attempts) == (DELAYED, 1)
    assert near(found.due, time.time() + 50)
    assert broker.count_tasks()[:3] == (0, 1, 0)


@of_serving
def test_all_queues_with_tasks_are_named(broker):
    other, third, empty = map(get_broker, ("other", "third", "empty"))
    for each in (other, third):
        each.delete_queue()
    put(other, "a", delay=50)
    third.enqueue("plain")

    names = broker.queue_names()

    assert {other.list_key, third.list_key} <= set(names)
    assert not {broker.list_key, empty.list_key} & set(names)
    assert len(names) == len(set(names))
    broker.enqueue("plain")
    take_one(broker)
    third.delete_queue()
    assert broker.list_key in broker.queue_names()
    assert third.list_key not in broker.queue_names()
    other.delete_queue()
    for each in (other, third, empty):
        each.close()
