"""All queues of a broker, and who serves them."""

from __future__ import annotations

import pytest

from django_q.brokers import adapt_broker, get_broker
from django_q.conf import Conf
from django_q.status import Stat
from django_q.tasks import fetch_unfinished
from django_q.unfinished.queues import queue_states
from tests.heartbeats import make_stat
from tests.integration.unfinished.queued import beat, payload_of, put
from tests.servers import RedisServer

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

    (state,) = states(adapt_broker(broker))

    assert (state.name, state.counts) == ("test", (1, 0, 0, None))


def test_a_queue_tells_what_holds_it_back_and_what_is_run(make_broker):
    queue = make_broker("memory")
    beat(queue, ONE, TWO)
    queue.pause()
    queue.pause("a" * 32)
    queue.set_limit(3)

    (state,) = states(queue)

    assert state.running == 2
    assert state.control == (True, {"a" * 32}, 3)


def test_what_clusters_of_earlier_releases_run_is_counted_too(queue):
    make_stat(current=[(5, "name", "func", 1.0)]).save(queue)

    assert states(queue)[0].running == 1


def test_a_queue_of_another_project_on_the_same_server_is_not_called_unserved(queue):
    get_broker("mail").enqueue("signed by somebody else")

    mail, _own = states(queue)

    assert (mail.counts.waiting, mail.is_served) == (1, None)


def test_the_own_queue_is_called_unserved_whatever_is_in_it(queue):
    queue.enqueue("signed by somebody else")

    assert [state.is_served for state in states(queue)] == [False]


def test_queues_that_the_server_keeps_from_this_user_are_left_out(conf):
    server = RedisServer().start()
    try:
        with server.client() as root:
            rules = ("on", ">pw", "resetkeys", "~django_q:test:*", "&*", "+@all")
            root.execute_command("ACL", "SETUSER", "limited", *rules)
        conf(redis=server.url)
        put(get_broker("mail"), ONE)
        put(get_broker("test"), TWO)
        conf(redis=server.url.replace("//", "//limited:pw@"))

        assert [state.name for state in states(get_broker())] == ["test"]
        assert fetch_unfinished(ONE) is None
        assert fetch_unfinished(TWO).state == "waiting"
    finally:
        server.stop()
