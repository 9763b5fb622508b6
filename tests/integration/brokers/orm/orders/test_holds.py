"""Takes of a queue in a database obey pauses and limits, whatever runs at the same time."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connections, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.orm.orders import holds
from django_q.models import OrmQ
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import SQLITE, on_each, on_postgres
from tests.waiting import comes, wait_until

#: Seconds in which something would come that must not.
WHILE = 0.4
#: The databases in which others go on while a transaction is open.
SERVERS = ["postgres", *([SQLITE] if connections["default"].vendor == "mysql" else [])]
on_servers = pytest.mark.parametrize("broker", SERVERS, indirect=True)


@pytest.fixture
def beside(broker):
    """A function that runs another with a broker of its own in a thread, and gives the thread."""
    threads, errors = [], []

    def run(function):
        other = get_broker()
        try:
            function(other)
        except BaseException as error:
            errors.append(error)
        finally:
            other.close()
            connections.close_all()

    def start(function):
        threads.append(threading.Thread(target=run, args=[function], daemon=True))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == []


@contextmanager
def open_transaction(beside, function):
    """Have a transaction open in another thread, in which a function has been called."""
    is_called, may_end = threading.Event(), threading.Event()

    def call(other):
        with transaction.atomic(other.alias):
            function(other)
            is_called.set()
            assert may_end.wait(60)

    thread = beside(call)
    assert is_called.wait(60)
    try:
        yield
    finally:
        may_end.set()
        thread.join(60)


def take(broker):
    return broker.dequeue(1, wait=0)


def leased(broker):
    """Count how often rows were leased."""
    return OrmQ.objects.using(broker.alias).aggregate(count=Sum("attempts"))["count"]


def pause_first(broker):
    """Make the row of orders, as a queue that was paused before has it."""
    broker.pause()
    broker.resume()


@on_each
@pytest.mark.parametrize("prepare", [lambda broker: None, pause_first], ids=["first", "again"])
def test_a_pause_waits_until_a_take_that_runs_has_ended(broker, beside, prepare):
    prepare(broker)
    broker.enqueue_many("abc")
    broker.dequeue(1, wait=0)

    with open_transaction(beside, lambda other: take(other)):
        pausing = beside(lambda other: other.pause())
        assert not comes(lambda: not pausing.is_alive(), WHILE)
        taking = beside(lambda other: take(other))  # it waits, or has ended before the pause has
        assert pausing.is_alive()
    pausing.join(60)

    before = leased(broker)
    taking.join(60)
    assert leased(broker) == before
    assert broker.dequeue(9, wait=0) == []
    assert broker.is_held


@on_each
def test_nothing_is_taken_when_a_pause_has_returned(broker, beside):
    broker.enqueue_many(["x"] * 20)
    is_over = threading.Event()

    def take_always(other):
        while not is_over.is_set():
            other.release([each.ack_id for each in other.dequeue(2, wait=0)])

    for _ in range(3):
        beside(take_always)
    try:
        for _ in range(8):
            before = leased(broker)
            wait_until(lambda before=before: leased(broker) > before)
            broker.pause()
            taken = leased(broker)
            time.sleep(0.05)  # in which a take that has begun before would end
            assert leased(broker) == taken
            broker.resume()
    finally:
        is_over.set()


@on_each
def test_a_limit_is_exact_however_many_take_at_a_time(broker, beside):
    broker.enqueue_many(["x"] * 100)
    broker.set_limit(5)

    for _ in range(5):
        found, barrier = [], threading.Barrier(4)

        def take_some(other, found=found, barrier=barrier):
            barrier.wait(60)
            for _ in range(3):
                found.extend(other.dequeue(2, wait=0))

        for thread in [beside(take_some) for _ in range(4)]:
            thread.join(60)
        assert len(found) == 5
        broker.release([each.ack_id for each in found])


@on_servers
def test_a_transaction_that_has_posted_a_notice_holds_nobody_up(broker, beside):
    broker.post_notice("old", "text")
    broker.enqueue_many("ab")

    with open_transaction(beside, lambda other: other.post_notice("new", "text")):
        assert payloads(broker.dequeue(1, wait=0)) == ["a"]
        assert broker.withdraw_notices(["old"]) == 1
        assert payloads(broker.dequeue(1, wait=0)) == ["b"]

    assert broker.notices().values.keys() == {"new"}


@on_postgres
def test_a_pause_does_not_wait_for_long_on_postgresql(broker, beside, monkeypatch):
    monkeypatch.setattr(holds, "MAX_PAUSE_LOCK_WAIT", "100ms")
    broker.enqueue("a")
    with open_transaction(beside, lambda other: other.post_notice("key", "text")):
        broker.pause()

    assert broker.dequeue(1, wait=0) == []
    assert broker.table.fetch("SELECT current_setting('lock_timeout')", []) == [("0",)]


@on_postgres
def test_a_pause_keeps_the_lock_timeout_of_a_transaction(broker):
    with transaction.atomic(broker.alias):
        broker.table.execute("SET LOCAL lock_timeout = '7s'", [])
        broker.pause()

        assert broker.table.fetch("SELECT current_setting('lock_timeout')", []) == [("7s",)]


@on_each
def test_a_pause_of_a_transaction_that_is_rolled_back_is_none(broker):
    broker.enqueue("a")
    with transaction.atomic(broker.alias):
        broker.pause()
        transaction.set_rollback(True, using=broker.alias)

    assert broker.control() == QueueControl()
    assert payloads(broker.dequeue(1, wait=0)) == ["a"]


@on_postgres
def test_a_take_is_one_statement_on_postgresql_with_notices_too(broker):
    broker.enqueue_many("abc")
    for _ in range(2):
        broker.dequeue(1, wait=0)
        broker.table.ranks_checked_at = time.monotonic() + 60  # looked at now and then
        with CaptureQueriesContext(connections[broker.alias]) as queries:
            assert len(broker.dequeue(1, wait=0)) == 1
        assert len(queries) == 1
        broker.post_notice("key", "text")
        broker.enqueue_many("de")
    broker.dequeue(1, wait=0)

    assert broker.seen_notices_version == broker.notices_version()


@on_each
def test_orders_about_another_queue_hold_nobody_up(broker):
    other = get_broker("another queue")
    other.pause()
    other.post_notice("key", "text")
    broker.enqueue_many("abc")

    for payload in "abc":
        assert payloads(broker.dequeue(1, wait=0)) == [payload]
    assert (broker.is_held, broker.seen_notices_version) == (False, 0)
    assert broker.dequeue(1, wait=0) == []
    assert not broker.is_held
    other.close()


@on_each
def test_a_paused_full_queue_is_looked_at_now_and_then_alone(broker):
    broker.enqueue_many("abc")
    broker.pause()
    broker.dequeue(1, wait=1)  # the first waits are short

    with CaptureQueriesContext(connections[broker.alias]) as queries:
        begin = time.process_time()
        broker.dequeue(1, wait=2)
        used = time.process_time() - begin

    assert broker.is_held
    assert len(queries) < 60
    assert used < 0.3


@on_each
def test_a_change_of_the_notices_ends_the_wait_of_who_can_be_woken(broker, beside):
    reader, writer = os.pipe()
    broker.wake_fd = reader
    try:
        broker.dequeue(wait=0)
        begin = threading.Timer(0.3, lambda: beside(lambda other: other.post_notice("k", "text")))
        begin.start()
        started = time.monotonic()

        assert broker.dequeue(wait=60) == []

        assert time.monotonic() - started < 60
    finally:
        broker.wake_fd = None
        os.close(reader), os.close(writer)

    assert broker.seen_notices_version == broker.notices_version() > 0
