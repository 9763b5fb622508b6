"""Deliveries that wait in a cluster for too long are released to the broker."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.utils.encoding import force_str

from django_q.brokers.redis_broker import Redis
from django_q.brokers.terms import Terms
from django_q.completion.orphans import recover
from django_q.processes.pusher import FixedPrefetchLimit, fill_task_queue, release_waiting
from django_q.processes.shared_state.orphan_queue import OrphanQueue
from django_q.queues import Queue

pytestmark = pytest.mark.django_db(transaction=True)


def hold(broker: Any, count: int) -> Queue:
    """Have tasks wait in the task queue of a cluster."""
    broker.enqueue_many([f"payload {number}" for number in range(count)])
    task_queue = Queue()
    fill_task_queue(task_queue, broker.dequeue(count, 1), FixedPrefetchLimit(), math.inf)
    return task_queue


def payloads(broker: Any) -> list[str]:
    """Take what can be taken, which never was an attempt."""
    deliveries = broker.dequeue(10, 1)
    assert {each.attempt for each in deliveries} == {1}
    return [force_str(each.payload) for each in deliveries]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_what_waits_for_too_long_can_be_taken_at_once_in_its_order(broker):
    task_queue = hold(broker, 5)
    broker.enqueue("payload 5")

    release_waiting(task_queue, broker)

    assert task_queue.qsize() == 0
    assert payloads(broker) == [f"payload {number}" for number in range(6)]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_what_no_worker_has_taken_at_a_stop_goes_back_in_its_order(broker):
    task_queue, result_queue = hold(broker, 5), Queue()
    orphans = OrphanQueue(result_queue)

    orphans.drain(task_queue)
    orphans.send_to_monitor()
    while not result_queue.empty():
        recover(result_queue.get(), broker)

    assert payloads(broker) == [f"payload {number}" for number in range(5)]


class Away(Redis):
    """A broker whose server has gone."""

    def release(self, *args: Any, **options: Any) -> set[str]:
        raise ConnectionError("gone")


def test_what_can_not_be_handed_back_goes_on_waiting(broker):
    task_queue = hold(broker, 3)

    with pytest.raises(ConnectionError):
        release_waiting(task_queue, Away(broker.list_key))

    assert task_queue.qsize() == 3
    assert [job[1] for job in task_queue.get_many()] == [b"payload 0", b"payload 1", b"payload 2"]


@pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
def test_what_is_kept_beside_a_payload_is_in_its_job(broker):
    broker.enqueue("plain")
    broker.enqueue_task("marked", Terms("a" * 32))
    broker.cancel_task("a" * 32, "mark")
    task_queue = Queue()

    for _ in range(2):
        fill_task_queue(task_queue, broker.dequeue(1, 1), FixedPrefetchLimit(), math.inf)
    marked, plain = task_queue.get_many() + task_queue.get_many()

    assert (force_str(marked[1]), marked[5].cancelled) == ("marked", "mark")
    assert (force_str(plain[1]), len(plain)) == ("plain", 5)
