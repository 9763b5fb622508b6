"""All queues of a broker, and who serves them."""

from __future__ import annotations

import pytest

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.other_queues import queue_label, queue_of
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.status import Stat
from django_q.unfinished.queues import queue_states
from tests.heartbeats import make_stat
from tests.integration.unfinished.queued import beat, payload_of, put
from tests.subclassed_brokers import PlainRedis

pytestmark = pytest.mark.django_db(transaction=True)

ONE, TWO = "1" * 32, "2" * 32


def states(broker):
    return queue_states(broker, Stat.get_all(broker))


def test_all_queues_are_counted_and_say_who_serves_them(queue):
    beat(queue, queue="mail")
    put(get_broker("mail"), ONE, delay=60)
    put(get_broker("lost"), TWO)

    lost, mail, own = states(queue)

    assert [queue.name for queue in (lost, mail, own)] == ["lost", "mail", "test"]
    assert [queue.is_served for queue in (lost, mail, own)] == [False, True, False]
    assert (lost.counts[:3], mail.counts[:3], own.counts) == ((1, 0, 0), (0, 1, 0), (0, 0, 0, None))


@pytest.mark.parametrize(
    ("heartbeat", "is_served"),
    [
        ({"queue": "test"}, True),
        ({"queue": "test", "status": Conf.STOPPING}, True),
        ({"queue": "test", "status": Conf.STOPPED}, False),
        ({"queue": "mail"}, False),
        ({"queue": ""}, True),  # a predecessor's, which may be of any queue
    ],
)
def test_who_serves_a_queue(queue, heartbeat, is_served):
    make_stat(**heartbeat).save(queue)

    assert states(queue)[0].is_served is is_served


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_a_broker_that_knows_one_queue_tells_of_that(broker):
    broker.enqueue(payload_of(ONE))

    ((name, counts, _is_served),) = states(adapt_broker(broker))

    assert (name, counts) == ("test", (1, 0, 0, None))


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
