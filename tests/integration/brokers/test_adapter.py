"""Brokers of a project's own, written for django-q2."""

from __future__ import annotations

import os
import pickle
import time

import pytest

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.adapter import BrokerAdapter
from django_q.tasks import async_task, result
from tests.old_broker import OldBroker


class Bare:
    """A broker that is no subclass of any."""

    list_key = "bare"

    def __init__(self, list_key=None, gives=(None,)):
        self.gives = iter(gives)
        self.calls = []

    def enqueue(self, task):
        self.calls.append(task)
        return 1

    def dequeue(self):
        return next(self.gives, None)

    def acknowledge(self, task_id):
        self.calls.append(task_id)
        return 0


def test_an_old_broker_is_wrapped_for_those_who_need_leases(make_broker):
    broker = make_broker("custom")

    wrapped = adapt_broker(broker)

    assert type(broker) is OldBroker
    assert type(wrapped) is BrokerAdapter
    assert adapt_broker(wrapped) is wrapped
    assert type(pickle.loads(pickle.dumps(wrapped)).broker) is OldBroker


def test_each_receipt_of_an_old_broker_is_good():
    broker = adapt_broker(Bare(gives=[[("receipt", "payload")]]))

    ((ack_id, payload, attempt),) = broker.dequeue(5, wait=0)

    assert (ack_id, payload, attempt) == ("receipt", "payload", 1)
    assert broker.acknowledge("receipt") is True
    assert broker.acknowledge_many(["receipt"]) == set()
    assert broker.extend(["receipt"], 10) == broker.release(["receipt"]) == set()
    assert broker.read("receipt") is None
    broker.fail("other")
    broker.move_to_dead_letters("third", "payload")
    assert broker.broker.calls == ["receipt", "receipt", "other", "third"]


@pytest.mark.django_db(transaction=True)
def test_a_task_of_an_old_broker_is_run_however_long_it_has_waited(conf, make_broker, run_once):
    broker = make_broker("custom")
    task_id = async_task("tests.tasks.multiply", 6, 7)
    conf(retry=0.0001)  # all of it is over when the worker finds the task

    run_once(broker)

    assert result(task_id) == 42


def test_an_old_broker_that_gives_nothing_at_once_is_asked_again_after_a_pause(conf):
    conf(poll=0.05)
    broker = adapt_broker(Bare(gives=[None, [], [("receipt", "payload")]]))

    start = time.monotonic()

    assert broker.dequeue(wait=5)
    assert 0.1 <= time.monotonic() - start < 1


def test_an_old_broker_that_waits_by_itself_is_asked_again_at_once(conf):
    conf(poll=0.05)

    class Waiting(Bare):
        def dequeue(self):
            time.sleep(0.06)
            return super().dequeue()

    start = time.monotonic()

    assert adapt_broker(Waiting(gives=[None, None, [("receipt", "payload")]])).dequeue(wait=5)
    assert time.monotonic() - start < 0.25


def test_a_wait_for_an_old_broker_can_be_ended():
    reader, writer = os.pipe()
    broker = adapt_broker(Bare())
    broker.wake_fd = reader
    os.write(writer, b"x")

    start = time.monotonic()
    assert broker.dequeue() == []

    assert time.monotonic() - start < 1
    os.close(reader)
    os.close(writer)


def test_an_old_broker_can_not_delay():
    broker = adapt_broker(Bare())

    assert broker.enqueue("now") == 1
    with pytest.raises(NotImplementedError, match="Bare has none"):
        broker.enqueue("later", delay=5)


def test_an_old_broker_need_not_know_more_than_three_words():
    broker = adapt_broker(Bare())

    assert (broker.queue_size(), broker.lock_size(), broker.dead_size()) == (0, 0, 0)
    assert broker.ping() is True
    assert broker.info() == "Bare"
    broker.close()


def test_a_broker_has_to_know_three_words():
    broker = Broker()

    for call in (lambda: broker.enqueue("a"), broker.dequeue, lambda: broker.acknowledge("a")):
        with pytest.raises(NotImplementedError):
            call()
