"""A broker on a Redis Cluster of three real servers."""

from __future__ import annotations

from uuid import uuid4

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from django_q.brokers import get_broker
from django_q.brokers.other_queues import queue_label, queue_of
from django_q.brokers.redis.connections.result_channel import RedisResultChannel
from django_q.conf import Conf
from django_q.servers.connections import connect_redis
from django_q.tasks import async_task
from tests.redis_cluster import RedisCluster, redis_cluster
from tests.waiting import wait_until

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


@pytest.fixture
def cluster(conf):
    """Three servers with nothing in them, which the settings name."""
    cluster = redis_cluster()
    conf(redis=cluster.options)
    yield cluster
    cluster.flush()


@pytest.fixture
def broker(cluster):
    """The broker of the cluster."""
    broker = get_broker()
    yield broker
    broker.close()


def payloads(deliveries):
    """Read what was delivered."""
    return [each.payload for each in deliveries]


@pytest.mark.parametrize(
    ("options", "tag"), [({"cluster": True}, "{shop}"), ({"cluster": False}, "shop"), ({}, "shop")]
)
def test_names_are_hash_tags_in_a_cluster_alone(conf, options, tag):
    conf(redis={"host": "127.0.0.1", "port": 1, **options}, name="shop")

    assert f"django_q:{tag}:cluster" == Conf.Q_STAT
    assert get_broker("long").list_key == f"django_q:{tag.replace('shop', 'long')}:q"
    assert queue_label(get_broker("long").list_key) == "long"


def test_all_keys_of_a_queue_are_on_one_server(cluster, broker):
    for options in ({}, {"priority": 3}, {"unique": "a"}, {"idempotency_key": "b"}):
        async_task("math.sqrt", 4, q_options=options, broker=broker)
    broker.enqueue("later", delay=60)
    broker.enqueue_once("once", uuid4().hex)
    broker.dequeue(2, wait=0)
    broker.pause()
    broker.post_notice("cancel", "text")

    keys = cluster.placed_keys()

    assert len(keys) > 10
    assert {server for server, _ in keys} == {cluster.owner(broker.list_key)}
    assert all(key.startswith(broker.list_key.encode()) for _, key in keys)


def test_queues_are_spread_and_each_is_seen_from_another(cluster, broker):
    names = ["long", "mail", "images", "exports"]
    for name in names:
        get_broker(name).enqueue("a payload")

    keys = broker.queue_names()

    assert sorted(map(queue_label, keys)) == sorted(names)
    assert len({cluster.owner(key).port for key in keys}) > 1
    for key in keys:
        with queue_of(broker, key) as other:
            assert payloads(other.dequeue(wait=0)) == [b"a payload"]


def test_heartbeats_of_clusters_of_all_queues_are_together(cluster, broker):
    for number, name in enumerate(("long", "mail", "images")):
        get_broker(name).set_stat(f"{Conf.Q_STAT}:{number}", str(number), 60)

    assert sorted(broker.get_stats(f"{Conf.Q_STAT}:*")) == [b"0", b"1", b"2"]
    assert get_broker("mail").get_stat(f"{Conf.Q_STAT}:0") == b"0"


def test_who_waits_for_a_result_is_counted_wherever_he_asks(cluster):
    channel = RedisResultChannel()
    subscription = channel.subscribe()

    told = channel.tell(["0123456789ab"])
    wait_until(lambda: subscription.read() == {"0123456789ab"})
    subscription.close()

    assert told
    assert not channel.tell(["0123456789ab"])


def test_nothing_is_lost_or_doubled_when_the_slot_moves_to_another_server(cluster, broker):
    broker.enqueue_many(["a", "b"])
    (taken,) = broker.dequeue(wait=0)

    new = cluster.move_slot(broker.list_key)
    for payload in ("c", "d"):
        broker.enqueue(payload)

    assert {server for server, _ in cluster.placed_keys()} == {new}
    assert broker.acknowledge(taken.ack_id)
    assert payloads(broker.dequeue(9, wait=0)) == [b"b", b"c", b"d"]
    assert cluster.move_slot(broker.list_key) is not new
    assert len(broker.enqueue_many(["e", "f"])) == 2
    assert payloads(broker.dequeue(9, wait=0)) == [b"e", b"f"]


def test_a_replica_that_takes_over_is_found(conf):
    cluster = RedisCluster(replicas=1).start()
    conf(redis=cluster.options, name="shop")
    broker = get_broker()
    broker.enqueue("before")
    old = cluster.owner(broker.list_key)
    cluster.await_replica(old)

    old.kill()
    new = cluster.await_owner_other_than(old, broker.list_key)
    broker.enqueue("after")

    assert new in cluster.servers
    assert payloads(broker.dequeue(9, wait=1)) == [b"before", b"after"]
    broker.close()
    cluster.stop()


def test_servers_that_do_not_answer_are_an_error_of_the_driver(conf):
    conf(redis={"cluster": True, "startup_nodes": ["127.0.0.1:1"], "retry": None})
    broker = get_broker()

    with pytest.raises(redis.ConnectionError, match="No server of the Redis Cluster answers"):
        broker.enqueue("a")


def test_a_server_that_is_in_no_cluster_says_so(redis_url, conf):
    conf(redis={"cluster": True, "url": redis_url, "retry": None})

    with pytest.raises(redis.ConnectionError, match="cluster support disabled"):
        get_broker().enqueue("a")


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"startup_nodes": []}, "an empty one"),
        ({"startup_nodes": ["host:port"]}, "node 1 without a host"),
        ({"host": "server", "db": 3}, "another database than 0"),
        ({"unix_socket_path": "/run/redis"}, "the path of a Unix socket"),
        ({"url": "http://secret@server"}, "a URL that can not be read"),
    ],
)
def test_options_that_describe_no_cluster_are_refused(options, got):
    with pytest.raises(ImproperlyConfigured, match=got) as refused:
        connect_redis({"cluster": True, **options})

    assert "secret" not in str(refused.value)
