"""Other queues of a broker's server: how they are named for people, and asked."""

from __future__ import annotations

import pytest

from django_q.brokers import adapt_broker
from django_q.brokers.other_queues import ask_other_queues, queue_label, queue_of
from django_q.brokers.redis_broker import Redis
from tests.integration.unfinished.queued import payload_of
from tests.subclassed_brokers import PlainRedis

ONE = "1" * 32


@pytest.mark.parametrize(
    ("list_key", "label"),
    [("django_q:mail:q", "mail"), ("mail", "mail"), ("django_q:a:b:q", "a:b"),
     ("own:list", "own:list")],
)  # fmt: skip
def test_a_queue_has_the_name_that_the_option_cluster_takes(list_key, label):
    assert queue_label(list_key) == label


def test_another_queue_is_asked_by_the_same_connection(broker):
    Redis("mail").enqueue(payload_of(ONE))

    with queue_of(broker, Redis("mail").list_key) as other:
        assert other.queue_size() == 1
        assert other.connection is broker.connection

    assert (broker.queue_size(), broker.list_key) == (0, "django_q:test:q")
    assert broker.ping()
    Redis("mail").delete_queue()


def test_another_queue_of_an_adapted_broker_is_asked(broker):
    adapted = adapt_broker(PlainRedis())
    Redis("mail").enqueue(payload_of(ONE))

    with queue_of(adapted, Redis("mail").list_key) as other:
        assert other.queue_size() == 1

    assert adapted.queue_size() == 0
    Redis("mail").delete_queue()


def test_each_other_queue_with_tasks_is_asked(broker):
    broker.enqueue("a")
    for name in ("mail", "lost"):
        Redis(name).enqueue("b")

    asked = list(ask_other_queues(broker, lambda other: (other.list_key, other.queue_size())))

    assert asked == [("django_q:lost:q", 1), ("django_q:mail:q", 1)]
    for name in ("mail", "lost"):
        Redis(name).delete_queue()


def test_what_goes_wrong_with_another_queue_is_raised(broker):
    Redis("mail").enqueue("b")

    with pytest.raises(ZeroDivisionError):
        list(ask_other_queues(broker, lambda other: 1 / 0))
    Redis("mail").delete_queue()
