"""The broker in memory: what it has beside the contract of all."""

from __future__ import annotations

import time

import pytest

from django_q.brokers.base import ONCE_KEY_GRACE_SECONDS, ONCE_KEY_SECONDS
from django_q.brokers.memory import Memory, clear_queues
from django_q.brokers.memory.queue import MIN_KEYS_TO_CLEAN
from django_q.brokers.terms import Terms
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.tasks import async_task, fetch
from tests.tasks import multiply


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def broker(make_broker, clock):
    make_broker("memory")
    return Memory(now=clock)


def test_brokers_of_one_name_share_a_queue_and_its_clock(broker, clock, conf):
    conf(retry=30)
    broker.enqueue("a", delay=5)

    assert Memory().dequeue(wait=0) == []
    clock.time += 5
    assert [each.attempt for each in Memory().dequeue(wait=0)] == [1]
    clock.time += Conf.RETRY
    assert [each.attempt for each in broker.dequeue(wait=0)] == [2]


def test_all_queues_are_emptied_for_the_next_test(broker):
    other = Memory("other")
    for each in (broker, other):
        each.enqueue_once("a", "key")
        each.set_stat("heartbeat", "beats", 30)

    clear_queues()

    assert [each.queue_size() for each in (broker, other)] == [0, 0]
    assert broker.get_stat("heartbeat") is None
    assert broker.enqueue_once("a", "key")


def test_none_is_added_where_a_payload_can_not_be_made(broker):
    with pytest.raises(ZeroDivisionError):
        broker.enqueue_many(str(1 / n) for n in (1, 0))

    assert broker.queue_size() == 0


@pytest.mark.parametrize("released", [False, True])
def test_a_key_is_remembered_for_its_time(broker, clock, released):
    seconds = ONCE_KEY_GRACE_SECONDS if released else ONCE_KEY_SECONDS
    assert broker.enqueue_once("a", "key")
    if released:
        broker.release_once_keys(["key", "unknown"])

    clock.time += seconds - 1
    assert not broker.enqueue_once("a", "key")
    clock.time += 1
    assert broker.enqueue_once("a", "key")
    assert broker.enqueue_once("b", "unknown")


@pytest.mark.parametrize("start", [Cluster.start, Cluster.run])
def test_a_cluster_refuses_to_start_with_it_and_says_why(broker, start):
    with pytest.raises(RuntimeError, match="got the broker Memory, whose queues are in one pro"):
        start(Cluster(broker))


@pytest.mark.django_db(transaction=True)
def test_a_task_runs_through_it(broker, run_once):
    task_id = async_task(multiply, 6, 7, sync=False)

    run_once(broker)

    assert fetch(task_id).result == 42
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


def test_what_came_between_a_take_and_the_wait_is_taken_at_once(broker, monkeypatch):
    monkeypatch.setattr(broker, "wait_deadline", lambda wait: time.monotonic() + 60)
    take, takes = broker.take, []

    def take_and_let_another_enqueue(limit):
        taken = take(limit)
        takes.append(time.monotonic())
        if len(takes) == 1:
            broker.enqueue("a")
        return taken

    monkeypatch.setattr(broker, "take", take_and_let_another_enqueue)

    assert [each.payload for each in broker.dequeue()] == ["a"]
    assert takes[-1] - takes[0] < 10


def test_keys_that_have_ended_are_dropped_in_the_end(broker, clock):
    for number in range(5 * MIN_KEYS_TO_CLEAN):
        key = f"{number:032}"
        terms = Terms(key, unique=key, unique_for=5, idempotency=f"i{key}", idempotency_for=5)
        assert broker.enqueue_once("a", key, terms)
        assert broker.acknowledge(broker.dequeue(wait=0)[0].ack_id)
        clock.time += ONCE_KEY_SECONDS

    with broker.queue() as queue:
        assert len(queue.kept.entries) <= MIN_KEYS_TO_CLEAN
        assert len(queue.once.entries) <= MIN_KEYS_TO_CLEAN


def test_keys_that_have_not_ended_are_kept(broker, clock):
    numbers = range(3 * MIN_KEYS_TO_CLEAN)

    assert all(broker.enqueue_once("a", str(number)) for number in numbers)
    assert not any(broker.enqueue_once("a", str(number)) for number in numbers)


def test_a_task_that_waits_stands_for_its_key_and_not_one_that_has_ended(broker):
    key = {"unique": "a" * 32, "unique_for": 60}
    broker.enqueue_task("first", Terms("first", **key))
    (delivery,) = broker.dequeue(wait=0)
    broker.enqueue_task("second", Terms("second", **key, is_successor=True))
    broker.acknowledge(delivery.ack_id)

    found = broker.enqueue_task("third", Terms("third", **key))

    assert found.task_id == "second"
    assert broker.replace_task(found.version, "third", Terms("second", **key))
