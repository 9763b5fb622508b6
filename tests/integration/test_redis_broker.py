"""What is particular to the broker on Redis and Valkey."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import threading
import time

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.status import Stat
from tests import servers
from tests.heartbeats import make_stat
from tests.servers import RedisServer


@pytest.fixture
def private_server(conf, request):
    """A server of the test's own, to be stopped, killed or filled up."""
    options = getattr(request, "param", {})
    server = RedisServer(**options).start()
    conf(redis=server.url, retry=30)
    yield server
    server.stop()


@pytest.fixture
def own_broker(private_server):
    """A broker on the test's own server."""
    broker = get_broker()
    yield broker
    broker.close()


@pytest.fixture
def limited_broker(private_server, conf):
    """A broker whose user may do nothing that Redis calls dangerous, as with many a provider."""
    with private_server.client() as root:
        root.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
        root.execute_command("ACL", "SETUSER", "limited", "-@dangerous", "-@admin")
    conf(redis=private_server.url.replace("//", "//limited:pw@"))
    broker = Redis("test")
    yield broker
    broker.close()


def payloads(deliveries):
    return [delivery.payload for delivery in deliveries]


def fill(push):
    """Push until the server is full. Returns how many it has accepted."""
    accepted = 0
    with contextlib.suppress(redis.OutOfMemoryError):
        while True:
            push()
            accepted += 1
    return accepted


def commands(client):
    """Count the commands that the server ran, those of scripts included."""
    ignored = ("cmdstat_info", "cmdstat_config|resetstat", "cmdstat_config")
    stats = client.info("commandstats")
    return sum(value["calls"] for name, value in stats.items() if name not in ignored)


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


def test_a_server_that_is_not_there_is_an_error_of_the_driver(conf):
    conf(redis={"port": 1, "retry": None})

    with pytest.raises(redis.ConnectionError):
        get_broker().enqueue("a")


def test_a_server_that_is_only_slow_enqueues_once(private_server, conf):
    conf(redis={"url": private_server.url, "socket_timeout": 0.2})
    broker = get_broker()
    assert broker.queue_size() == 0

    private_server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(redis.TimeoutError):
            broker.enqueue("a")
    finally:
        private_server.process.send_signal(signal.SIGCONT)

    servers.wait_until(lambda: broker.queue_size() == 1)
    assert len(broker.dequeue(9, wait=0)) == 1
    broker.close()


def test_a_server_that_forgets_its_scripts_loses_nothing(broker):
    broker.enqueue_many("ab")
    (first,) = broker.dequeue(wait=0)

    broker.connection.script_flush()

    assert payloads(broker.dequeue(wait=30)) == [b"b"]
    broker.connection.script_flush()
    assert broker.acknowledge(first.ack_id) is True


def test_a_client_that_is_killed_while_it_waits_takes_nothing(broker):
    waiting = get_broker()
    client = waiting.connection.client()
    client.connection.send_command("BLMOVE", waiting.list_key, waiting.list_key, "LEFT", "LEFT", 30)
    time.sleep(0.05)
    broker.enqueue("a")  # the other one wakes up
    client.connection._sock.shutdown(socket.SHUT_RDWR)  # and dies before it leases anything

    assert payloads(broker.dequeue(wait=0)) == [b"a"]
    client.connection.disconnect()
    client.close()
    waiting.close()


@pytest.mark.parametrize("private_server", [{"appendonly": "yes"}], indirect=True)
def test_a_server_that_is_killed_keeps_what_was_accepted(own_broker, private_server):
    own_broker.enqueue_many("abc")
    (held,) = own_broker.dequeue(wait=0)
    own_broker.enqueue("later", delay=100)
    time.sleep(1.1)  # it writes its file every second

    private_server.kill()
    private_server.start()

    assert payloads(own_broker.dequeue(9, wait=0)) == [b"b", b"c"]
    assert own_broker.lock_size() == 4
    assert own_broker.acknowledge(held.ack_id) is True


def test_a_restarted_server_does_not_end_the_broker(own_broker, private_server):
    own_broker.enqueue("a")
    own_broker.dequeue(wait=0)

    private_server.restart()

    assert own_broker.dequeue(wait=0.1) == []
    own_broker.enqueue("b")
    assert payloads(own_broker.dequeue(wait=30)) == [b"b"]


def test_a_server_that_dies_during_a_wait_is_an_error(own_broker, private_server):
    killer = threading.Timer(0.2, private_server.kill)
    killer.start()

    with pytest.raises(redis.RedisError):
        own_broker.dequeue(wait=20)

    killer.join()


def test_a_receipt_from_before_the_server_lost_its_data_stays_stale(own_broker):
    own_broker.enqueue("before")
    (old,) = own_broker.dequeue(wait=0)

    own_broker.connection.flushall()
    own_broker.enqueue("after")
    (new,) = own_broker.dequeue(wait=0)

    assert own_broker.acknowledge(old.ack_id) is False
    assert own_broker.acknowledge(new.ack_id) is True


@pytest.mark.parametrize("private_server", [{"maxmemory": "3mb"}], indirect=True)
def test_a_full_server_can_be_emptied(own_broker, conf):
    conf(retry=0.2)
    accepted = fill(lambda: own_broker.enqueue("x" * 10_000))
    held = own_broker.dequeue(5, wait=0)
    fill(lambda: own_broker.connection.rpush("filler", "x" * 100))
    time.sleep(0.3)

    again = own_broker.dequeue(5, wait=0)
    assert [d.attempt for d in again] == [2] * 5
    conf(retry=30)
    taken = len(held)
    assert own_broker.acknowledge_many(d.ack_id for d in again) == set()
    while deliveries := own_broker.dequeue(100, wait=0):
        taken += len(deliveries)
        own_broker.acknowledge_many(d.ack_id for d in deliveries)
    assert taken == accepted


def test_an_idle_wait_costs_next_to_nothing(own_broker):
    own_broker.dequeue(wait=0)
    own_broker.dequeue(wait=0.01)  # opens the connection that blocks
    own_broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)
    client = own_broker.connection
    client.config_resetstat()

    own_broker.dequeue(wait=0.7)
    own_broker.dequeue(wait=0.7)
    own_broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)

    # Twice a blocking move, and a script of four commands; a heartbeat.
    assert commands(client) == 2 * (1 + 1 + 4) + 1


def test_waiting_leaves_no_connections_behind(own_broker):
    reader, writer = os.pipe()
    own_broker.wake_fd = reader
    os.write(writer, b"x")

    for _ in range(20):
        own_broker.dequeue(wait=1)

    assert own_broker.connection.info("clients")["connected_clients"] <= 3
    os.close(reader), os.close(writer)


def test_who_may_unblock_nobody_is_woken_all_the_same(limited_broker, private_server):
    reader, writer = os.pipe()
    limited_broker.wake_fd = reader

    def wake_when_it_blocks():
        with private_server.client() as root:
            servers.wait_until(lambda: root.info("clients")["blocked_clients"])
        os.write(writer, b"x")

    waker = threading.Thread(target=wake_when_it_blocks)
    waker.start()
    start = time.monotonic()

    assert limited_broker.dequeue(wait=30) == []

    assert time.monotonic() - start < 20
    waker.join()
    limited_broker.wake_fd = None
    limited_broker.enqueue("a")
    assert payloads(limited_broker.dequeue(wait=30)) == [b"a"]
    os.close(reader), os.close(writer)


def test_the_name_of_a_server_that_does_not_tell_is_short(limited_broker):
    assert limited_broker.info() == "Redis"


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


def test_a_client_of_several_servers_waits_in_short_steps(broker):
    class Several:
        """A client that has no connection of its own to give."""

        def __init__(self, client):
            self.execute_command = client.execute_command

    several = get_broker()
    several.connection = Several(broker.connection)
    assert several.dequeue(wait=0.1) == []
    producer = threading.Timer(0.2, broker.enqueue, ["a"])
    producer.start()

    assert payloads(several.dequeue(wait=30)) == [b"a"]

    producer.join()
    reader, writer = os.pipe()
    os.write(writer, b"x")
    several.wake_fd = reader
    assert several.dequeue(wait=0) == several.dequeue() == []
    os.close(reader), os.close(writer)


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


def test_a_lease_ends_in_time_although_the_server_s_clock_was_set_back(own_broker):
    own_broker.enqueue("task")
    own_broker.enqueue("later", delay=7200)
    own_broker.dequeue()
    hour = 3600 * 1_000_000
    client, (_, _, leases, *_, clock) = own_broker.connection, own_broker.keys
    later, taken = sorted(client.zrange(leases, 0, 1), key=int)
    # What an hour back leaves: times that are an hour ahead, and this lease nearly over.
    client.set(clock, int(client.get(clock)) + hour)
    client.zadd(leases, {taken: int(client.get(clock)) + 1000})
    at = client.zscore(leases, later)

    found = own_broker.dequeue(wait=30)

    assert payloads(found) == [b"task"]
    assert client.zscore(leases, later) == at


def test_a_clock_set_back_that_an_extension_meets_first_is_noticed(own_broker):
    own_broker.enqueue_many(["runs", "lost"])
    runs, lost = own_broker.dequeue(2)
    hour = 3600 * 1_000_000
    client, (_, _, leases, *_, clock) = own_broker.connection, own_broker.keys
    # What an hour back leaves: times that are an hour ahead, and one lease nearly over.
    client.zincrby(leases, hour, runs.ack_id)
    client.set(clock, int(client.get(clock)) + hour)
    client.zadd(leases, {lost.ack_id: int(client.get(clock)) + 1000})

    own_broker.extend([runs.ack_id], Conf.RETRY)

    assert payloads(own_broker.dequeue(9, wait=30)) == [b"lost"]
    assert own_broker.acknowledge(runs.ack_id) is True


@pytest.mark.parametrize("member", ["wrong type", b"\xff\xfe", "", "django_q:test:cluster:gone"])
def test_a_bad_member_of_the_index_of_heartbeats_hides_no_other(broker, member):
    make_stat().save(broker)
    broker.connection.rpush("wrong type", "x")
    broker.connection.sadd(Conf.Q_STAT, member)

    assert [stat.host for stat in Stat.get_all(broker)] == ["ant"]

    broker.connection.delete("wrong type")
