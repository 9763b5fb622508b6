"""Brokers of a project's own, written for django-q2."""

from __future__ import annotations

import os
import pickle
import time

import pytest

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.adapter import BrokerAdapter
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import ORDERS, PAUSE_ORDER, Notices, QueueControl
from django_q.brokers.memory import Memory
from django_q.brokers.terms import TERM_OPTIONS, Enqueued, Terms
from django_q.exceptions import UnsupportedOrder
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

    ((ack_id, payload, attempt, *_),) = broker.dequeue(5, wait=0)

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


class Lister(Bare):
    """Has methods of its own that are called as those of tasks with terms are."""

    def find(self, query):
        raise AssertionError("asked for something else")

    list_tasks = count_tasks = queue_names = find_duplicate = replace_task = find
    pause = resume = control = notices = post_notice = withdraw_notices = cancel_task = find
    set_limit = notices_version = keep_state = find
    is_held = seen_notices_version = keeps_state = "something else"


class PlainMemory(Memory):
    """Dequeues as django-q2 wants it, and serves what it says."""

    def dequeue(self):
        return super().dequeue(wait=0)

    serves = ["priority"]


@pytest.mark.parametrize("cls", [Bare, Lister, OldBroker])
def test_an_old_broker_serves_no_options_and_says_so(cls):
    broker, terms = adapt_broker(cls("unserved")), Terms("id", unique="a" * 32)

    assert broker.serves == frozenset()
    for call in (
        lambda: broker.enqueue_task("payload", terms),
        lambda: broker.enqueue_tasks([("payload", terms)]),
        lambda: broker.enqueue_once("payload", "key", terms),
    ):
        with pytest.raises(NotImplementedError, match=f"{cls.__name__} serves no"):
            call()
    assert broker.queue_size() == 0


@pytest.mark.parametrize("cls", [Bare, Lister, OldBroker])
def test_an_old_broker_has_no_lists_of_tasks(cls):
    broker = adapt_broker(cls("unserved"))

    assert broker.find("id") is None
    assert broker.find_duplicate(Terms("id", unique="a" * 32)) is None
    assert broker.replace_task("version", "payload", Terms("id")) is False
    assert broker.list_tasks() == broker.list_tasks("waiting", after="x", limit=2) == []
    assert broker.count_tasks() == (0, 0, 0, None)
    assert broker.queue_names() == [broker.list_key]


def test_an_old_broker_counts_what_its_sizes_tell(make_broker):
    broker = adapt_broker(make_broker("custom"))
    broker.enqueue("a"), broker.enqueue("b"), broker.dequeue(wait=0)

    assert broker.count_tasks() == (1, 0, 1, None)


def test_what_an_adapted_broker_serves_is_asked_of_it(make_broker):
    make_broker("memory")
    broker = adapt_broker(PlainMemory())
    terms = Terms("id", priority=3, unique="a" * 32)

    assert type(broker) is BrokerAdapter
    assert broker.serves == frozenset({"priority"}) < TERM_OPTIONS
    assert broker.enqueue_task("payload", terms) == Enqueued("id")
    version = broker.find_duplicate(terms).version
    assert broker.replace_task(version, "other", terms)
    assert broker.find("id").priority == 3
    assert [each.payload for each in broker.list_tasks()] == ["other"]
    assert broker.count_tasks()[:3] == (1, 0, 0)
    assert broker.queue_names() == [broker.list_key]
    assert broker.enqueue_once("third", "key", Terms("third", expires_in=5))
    deliveries = broker.dequeue(wait=0) + broker.dequeue(wait=0)
    assert [each.payload for each in deliveries] == ["other", "third"]
    assert 0 < deliveries[1].expires_in <= 5


@pytest.mark.parametrize("cls", [Bare, Lister, OldBroker])
def test_an_old_broker_obeys_no_orders_and_says_so(cls):
    broker = adapt_broker(cls("unserved"))

    assert broker.obeys == frozenset()
    for order in (
        lambda: broker.cancel_task("id", "mark"),
        lambda: broker.post_notice("queue", "text"),
        lambda: broker.pause(),
        lambda: broker.resume("one"),
        lambda: broker.set_limit(3),
    ):
        with pytest.raises(UnsupportedOrder, match=f"The broker {cls.__name__} can not "):
            order()
    assert broker.control() == QueueControl()
    assert broker.notices() == Notices(0, {})
    assert broker.notices_version() == broker.withdraw_notices(["queue"]) == 0
    broker.dequeue(wait=0)
    assert (broker.is_held, broker.seen_notices_version) == (False, 0)


@pytest.mark.parametrize("cls", [Bare, Lister, OldBroker])
def test_an_old_broker_keeps_no_state(cls):
    broker = adapt_broker(cls("stateless"))
    broker.enqueue("payload")
    receipt = next((each.ack_id for each in broker.dequeue(wait=0)), "receipt")

    assert broker.keeps_state is False
    assert broker.keep_state({receipt: KeptState("attempts")}) == set()
    assert broker.kept_state(receipt) is None
    assert broker.release([receipt], states={receipt: KeptState("attempts")}) == set()


class SteeredMemory(PlainMemory):
    """Dequeues as django-q2 wants it, and says that its base does all that it did."""

    obeys, keeps_state = ORDERS, True


def test_what_an_adapted_broker_obeys_is_asked_of_it(make_broker):
    make_broker("memory")
    broker, other = adapt_broker(SteeredMemory()), Memory()
    broker.enqueue_task("payload", Terms("id"))

    assert broker.obeys == ORDERS
    broker.pause("one"), broker.set_limit(5), broker.post_notice("queue", "text")
    assert broker.control() == other.control() == QueueControl(False, frozenset({"one"}), 5)
    assert broker.notices() == other.notices()
    broker.cluster_id = "one"
    assert broker.dequeue(wait=0) == []
    assert broker.is_held is True
    assert broker.seen_notices_version == broker.notices_version() == 1
    assert broker.resume("one") is True
    assert broker.cancel_task("id", "mark") == "removed"
    (delivery,) = broker.dequeue(wait=0)
    assert delivery.state == KeptState(cancelled="mark")
    assert broker.is_held is False
    assert broker.withdraw_notices(["queue"]) == 1


def test_what_an_adapted_broker_keeps_is_asked_of_it(make_broker):
    make_broker("memory")
    broker = adapt_broker(SteeredMemory())
    broker.enqueue("payload")
    ((receipt, *_),) = broker.dequeue(wait=0)

    assert broker.keeps_state is True
    state = KeptState(position="far")
    assert broker.keep_state({receipt: state, "made by itself": state}) == set()
    assert broker.kept_state(receipt) == state
    assert broker.kept_state("made by itself") is None
    broker.release([receipt, "made by itself"], states={receipt: KeptState("attempts")})

    ((again, *_, state),) = broker.dequeue(wait=0)
    assert state == KeptState("attempts", "far")
    assert broker.keep_state({receipt: state}) == {receipt}
    assert broker.acknowledge(again) is True


def test_an_adapted_broker_that_obeys_some_orders_refuses_others(make_broker):
    class Pausing(PlainMemory):
        obeys = [PAUSE_ORDER]

    make_broker("memory")
    broker = adapt_broker(Pausing())

    broker.pause()

    assert broker.obeys == {PAUSE_ORDER}
    assert broker.control().is_paused
    with pytest.raises(UnsupportedOrder, match="The broker Pausing can not limit"):
        broker.set_limit(3)


def test_an_adapted_broker_without_states_is_released_without_them(make_broker):
    class Releasing(PlainMemory):
        def release(self, ack_ids, delay=0, count=True):
            return super().release(ack_ids, delay, count)

    make_broker("memory")
    broker = adapt_broker(Releasing())
    broker.enqueue("payload")
    ((receipt, *_),) = broker.dequeue(wait=0)

    assert broker.keeps_state is False
    assert broker.release([receipt], states={receipt: KeptState("attempts")}) == set()

    ((_, _, attempt, _, state),) = broker.dequeue(wait=0)
    assert (attempt, state) == (2, None)
