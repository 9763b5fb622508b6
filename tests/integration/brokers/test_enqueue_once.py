"""What a broker promises who asks it for the same thing twice."""

from __future__ import annotations

import pytest
from django.db import transaction

from django_q.brokers import adapt_broker
from django_q.brokers.base import ONCE_KEY_GRACE_SECONDS, Broker
from django_q.models import Heartbeat


@pytest.fixture(
    params=[
        "redis",
        "redis62",
        pytest.param("orm", marks=pytest.mark.django_db(transaction=True)),
        "postgres",
    ]
)
def broker(request, make_broker):
    """A broker of each kind, empty."""
    return make_broker(request.param)


def seconds_kept(broker, key):
    """Tell for how long a key will be remembered."""
    if hasattr(broker.connection, "ttl"):
        return broker.connection.ttl(broker.mark(key))
    marks = Heartbeat.objects.using(broker.alias).annotate(now=broker.table.time_expression())
    mark = marks.get(key=broker.mark(key))
    return (mark.expires - mark.now).total_seconds()


def test_a_payload_is_enqueued_once_under_a_key(broker):
    assert broker.enqueue_once("first", "a")
    assert not broker.enqueue_once("again", "a")
    assert broker.enqueue_once("second", "b")

    assert len(broker.dequeue(10, wait=0)) == 2


def test_a_key_is_remembered_after_its_payload_has_ended(broker):
    broker.enqueue_once("payload", "a")
    (delivery,) = broker.dequeue(wait=0)
    broker.acknowledge(delivery.ack_id)

    assert not broker.enqueue_once("payload", "a")
    assert broker.queue_size() == 0


def test_a_key_that_may_be_forgotten_still_holds_for_those_who_were_held_up(broker):
    broker.enqueue_once("payload", "a")
    broker.enqueue_once("payload", "b")

    broker.release_once_keys(["a"])

    assert not broker.enqueue_once("payload", "a")
    assert 0 < seconds_kept(broker, "a") <= ONCE_KEY_GRACE_SECONDS
    assert seconds_kept(broker, "b") > ONCE_KEY_GRACE_SECONDS


def test_keys_of_one_queue_are_not_those_of_another(broker):
    broker.enqueue_once("payload", "a")
    other = type(broker)("other")

    assert other.enqueue_once("payload", "a")

    other.delete_queue()


def test_a_transaction_that_is_rolled_back_leaves_no_key(make_broker, postgres):
    broker = make_broker("postgres")
    with transaction.atomic(postgres):
        broker.enqueue_once("payload", "a")
        transaction.set_rollback(True, postgres)

    assert broker.enqueue_once("payload", "a")


def test_a_broker_that_can_not_remember_enqueues():
    class Forgetful(Broker):
        sent: list = []

        def enqueue(self, task):
            self.sent.append(task)

        def dequeue(self):
            return None

    broker = adapt_broker(Forgetful())

    assert broker.enqueue_once("payload", "a")
    broker.release_once_keys(["a"])

    assert Forgetful.sent == ["payload"]
    assert not broker.has_exact_sizes
