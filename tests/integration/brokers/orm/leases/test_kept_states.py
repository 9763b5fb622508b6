"""What is kept beside payloads in a database, by several who write at the same time."""

from __future__ import annotations

import threading

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_q.brokers import get_broker
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import REMOVED, REQUESTED
from django_q.brokers.terms import Terms
from django_q.models import OrmQ
from tests.integration.brokers.orm.databases import on_each

STATE = KeptState(attempts="attempts", position="position")


def receipts_of(broker, count):
    return [each.ack_id for each in broker.dequeue(count, wait=0)]


def columns(broker, *names):
    return OrmQ.objects.using(broker.alias).values_list(*names).get()


@on_each
def test_the_states_of_many_deliveries_are_kept_by_one_statement(broker):
    if connections[broker.alias].vendor == "mysql":
        pytest.skip("its statements do not return rows")
    broker.enqueue_many("abc")
    receipts = receipts_of(broker, 3)

    with CaptureQueriesContext(connections[broker.alias]) as queries:
        assert broker.keep_state({each: KeptState(position=each) for each in receipts}) == set()

    assert len(queries) == 1
    broker.release(receipts)
    assert [each.state.position for each in broker.dequeue(3, wait=0)] == receipts


@on_each
def test_more_states_than_a_statement_takes_are_kept(broker):
    broker.enqueue_many(["x"] * 250)
    receipts = receipts_of(broker, 250)

    stale = broker.release(receipts, states={each: KeptState(each, each) for each in receipts})

    assert stale == set()
    states = {each.state for each in broker.dequeue(250, wait=0)}
    assert states == {KeptState(each, each) for each in receipts}


@on_each
def test_none_of_three_who_write_at_a_time_overwrites_another(broker):
    for number in range(20):
        broker.enqueue_tasks([("x", Terms(str(number)))])
        (receipt,) = receipts_of(broker, 1)
        barrier = threading.Barrier(3)

        def run(function, barrier=barrier):
            other = get_broker()
            try:
                barrier.wait(60)
                function(other)
            finally:
                other.close()
                connections.close_all()

        def keep(state, receipt=receipt):
            return lambda other: other.keep_state({receipt: state})

        writers = [
            keep(KeptState(attempts="attempts")),
            keep(KeptState(position="position")),
            lambda other, number=number: other.cancel_task(str(number), "mark"),
        ]
        threads = [threading.Thread(target=run, args=[each]) for each in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        broker.release([receipt])
        (delivery,) = broker.dequeue(wait=0)
        assert delivery.state == KeptState("attempts", "position", "mark")
        broker.acknowledge(delivery.ack_id)


@on_each
def test_a_dead_letter_is_as_if_nothing_had_been_kept(broker):
    broker.enqueue_tasks([("x", Terms("id", priority=7))])
    (receipt,) = receipts_of(broker, 1)
    broker.keep_state({receipt: STATE})
    assert broker.cancel_task("id", "mark") == REQUESTED

    broker.move_to_dead_letters(receipt, "x")

    assert columns(broker, "attempt_state", "position", "cancelled", "rank") == (None,) * 3 + (-7,)


@on_each
def test_a_task_that_replaces_another_begins_with_no_state(broker):
    terms = Terms("id", unique="0" * 32)
    broker.enqueue_tasks([("old", terms)])
    broker.release(receipts := receipts_of(broker, 1), states={receipts[0]: STATE})
    version = broker.find_duplicate(terms).version

    assert broker.replace_task(version, "new", terms)

    assert columns(broker, "payload", "attempt_state", "position") == ("new", None, None)


@on_each
def test_a_task_that_is_cancelled_shows_the_priority_that_it_had(broker):
    broker.enqueue_tasks([("x", Terms("id", priority=-7, delay=60))])

    assert broker.cancel_task("id", "mark") == broker.cancel_task("id", "again") == REMOVED

    found = broker.find("id")
    assert (found.priority, found.kept) == (-7, KeptState(cancelled="mark"))


@on_each
def test_a_receipt_from_before_a_task_was_cancelled_is_stale(broker):
    broker.enqueue_tasks([("x", Terms("id"))])
    (receipt,) = receipts_of(broker, 1)
    broker.release([receipt])

    assert broker.cancel_task("id", "mark") == REMOVED

    assert broker.extend([receipt], 9) == broker.acknowledge_many([receipt]) == {receipt}
    (fence,) = columns(broker, "delivery")
    assert fence % 2 == 0
