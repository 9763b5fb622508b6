"""Redis servers that are gone, slow, full, restarted, or whose clock was set back."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pytest
import redis

from django_q.brokers import get_broker
from django_q.conf import Conf
from tests.integration.brokers.deliveries import payloads
from tests.waiting import wait_until


def fill(push):
    """Push until the server is full. Returns how many it has accepted."""
    accepted = 0
    with contextlib.suppress(redis.OutOfMemoryError):
        while True:
            push()
            accepted += 1
    return accepted


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

    wait_until(lambda: broker.queue_size() == 1)
    assert len(broker.dequeue(9, wait=0)) == 1
    broker.close()


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
    timer = threading.Timer(0.2, private_server.kill)
    timer.start()

    with pytest.raises(redis.RedisError):
        own_broker.dequeue(wait=20)

    timer.join()


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
