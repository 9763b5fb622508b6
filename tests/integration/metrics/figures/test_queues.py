"""Metrics of queues."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from django_q.metrics.figures import queues
from django_q.metrics.figures.queues import queue_families
from django_q.status import Stat
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db(transaction=True)

ONE, TWO = "1" * 32, "2" * 32


def measured(broker):
    return queue_families(broker, Stat.get_all(broker))


def test_each_queue_tells_what_is_in_it(queue, values):
    put(queue, ONE)
    put(queue, TWO, delay=60)
    beat(queue, queue="test", current=[(7, "four-words", "shop.send", 90.5)])
    queue.pause()

    found = measured(queue)

    assert values(found, "queue_tasks") == {"test,waiting": 1, "test,delayed": 1, "test,leased": 0}
    assert 0 <= values(found, "queue_oldest_age_seconds")["test"] < 60
    assert values(found, "queue_running_tasks") == {"test": 1}
    assert values(found, "queue_longest_run_seconds") == {"test": 90.5}
    assert values(found, "queue_served") == {"test": True}
    assert values(found, "queue_paused") == {"test": True}
    assert values(found, "queue_dead_letters") == {"test": 0}
    queue.resume()


def test_a_queue_that_nobody_serves_is_told_of(queue, values):
    put(get_broker("lost"), ONE)

    assert values(measured(queue), "queue_served") == {"test": False, "lost": False}
    get_broker("lost").delete_queue()


def test_dead_letters_are_counted_by_queue(broker, values):
    broker.enqueue("x")
    (delivery,) = broker.dequeue()
    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert values(measured(broker), "queue_dead_letters") == {"test": 1}


def test_no_more_queues_are_told_of_than_a_reader_can_bear(queue, values, monkeypatch):
    monkeypatch.setattr(queues, "MAX_QUEUES", 1)
    put(get_broker("lost"), ONE)

    found = measured(queue)

    assert values(found, "queue_served") == {"lost": False}
    assert values(found, "queues_left_out") == {"": 1}
    get_broker("lost").delete_queue()
