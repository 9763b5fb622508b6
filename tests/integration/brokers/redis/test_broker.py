"""What is particular to the broker on Redis and Valkey."""

from __future__ import annotations

import pickle
import time

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.status import Stat
from tests import servers
from tests.heartbeats import make_stat
from tests.integration.brokers.deliveries import payloads


def test_names_become_keys_as_in_django_q2(conf):
    conf(cluster_name="shop")

    assert get_broker().list_key == "django_q:shop:q"
    assert get_broker("other").list_key == "django_q:other:q"
    assert get_broker("django_q:other:q").list_key == "django_q:other:q"
    assert pickle.loads(pickle.dumps(get_broker("other"))).list_key == "django_q:other:q"


def test_the_keys_of_a_queue_share_the_hash_tag_of_its_name():
    broker = Redis("{shop}")

    assert {key.partition("{")[2].partition("}")[0] for key in broker.keys} == {"shop"}


def test_a_producer_of_django_q2_only_pushes(broker):
    broker.connection.rpush("django_q:test:q", b"payload")

    assert payloads(broker.dequeue(wait=0)) == [b"payload"]


def test_what_is_handed_back_unseen_is_there_for_django_q2(broker):
    broker.enqueue("payload")
    (delivery,) = broker.dequeue(wait=0)

    broker.release([delivery.ack_id], count=False)

    assert broker.connection.lrange("django_q:test:q", 0, -1) == [b"payload"]


@pytest.mark.parametrize(
    "options",
    [
        {"decode_responses": True},
        {"decode_responses": False, "protocol": 3},
        {"decode_responses": True, "protocol": 2, "health_check_interval": 1},
    ],
)
def test_a_payload_is_bytes_whatever_the_client_makes_of_strings(broker, conf, options):
    conf(redis={"url": Conf.REDIS, **options})
    broker = get_broker()
    broker.enqueue(b"\xff\xfe")
    broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 10)

    (delivery,) = broker.dequeue(wait=1)

    assert delivery.payload == b"\xff\xfe"
    assert broker.read(delivery.ack_id) == b"\xff\xfe"
    assert broker.dequeue(wait=0.2) == []
    assert broker.get_stats(f"{Conf.Q_STAT}:*") == [b"beat"]
    assert broker.acknowledge(delivery.ack_id)
    broker.close()


def test_settings_may_be_keyword_arguments(redis_url, conf):
    conf(
        redis={
            "host": "127.0.0.1",
            "port": redis.Redis.from_url(redis_url).get_connection_kwargs()["port"],
        }
    )
    broker = get_broker()

    assert broker.ping()
    assert broker.connection.get_connection_kwargs()["socket_timeout"] == 10
    broker.close()


def test_time_outs_of_the_settings_are_kept(conf):
    conf(redis={"port": 1, "socket_timeout": 3})

    arguments = get_broker().connection.get_connection_kwargs()

    assert (arguments["socket_timeout"], arguments["socket_connect_timeout"]) == (3, 5)


def test_a_server_that_forgets_its_scripts_loses_nothing(broker):
    broker.enqueue_many("ab")
    (first,) = broker.dequeue(wait=0)

    broker.connection.script_flush()

    assert payloads(broker.dequeue(wait=30)) == [b"b"]
    broker.connection.script_flush()
    assert broker.acknowledge(first.ack_id) is True


def test_thousands_of_leases_that_ended_are_taken_in_order(broker, conf):
    conf(retry=0.2)
    broker.enqueue_many(str(n) for n in range(3_000))
    broker.dequeue(3_000, wait=0)
    time.sleep(0.3)
    conf(retry=30)

    again = broker.dequeue(1_000, wait=0) + broker.dequeue(3_000, wait=0)

    assert [int(d.payload) for d in again] == list(range(3_000))
    assert broker.release([d.ack_id for d in again]) == set()
    assert broker.queue_size() == 3_000
    broker.purge_queue()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


def test_heartbeats_are_found_without_a_scan_of_all_keys(broker):
    for n in range(3):
        broker.set_stat(f"{Conf.Q_STAT}:{n}", f"beat {n}", 30)

    assert broker.connection.smembers(Conf.Q_STAT) == {
        f"{Conf.Q_STAT}:{n}".encode() for n in range(3)
    }


def test_info_names_the_server(broker, conf):
    assert broker.info().startswith("Valkey ")
    if servers.redis62_program():
        conf(redis=servers.redis62_url())
        old = get_broker()
        assert old.info().startswith("Redis 6.2")
        old.close()


@pytest.mark.parametrize("member", ["wrong type", b"\xff\xfe", "", "django_q:test:cluster:gone"])
def test_a_bad_member_of_the_index_of_heartbeats_hides_no_other(broker, member):
    make_stat().save(broker)
    broker.connection.rpush("wrong type", "x")
    broker.connection.sadd(Conf.Q_STAT, member)

    assert [stat.host for stat in Stat.get_all(broker)] == ["ant"]

    broker.connection.delete("wrong type")
