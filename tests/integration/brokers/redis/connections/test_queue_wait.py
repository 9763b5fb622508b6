"""How a broker on Redis waits for tasks."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from tests.integration.brokers.deliveries import payloads
from tests.waiting import wait_until


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


def commands(client):
    """Count the commands that the server ran, those of scripts included."""
    ignored = ("cmdstat_info", "cmdstat_config|resetstat", "cmdstat_config")
    stats = client.info("commandstats")
    return sum(value["calls"] for name, value in stats.items() if name not in ignored)


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


def test_an_idle_wait_costs_next_to_nothing(own_broker):
    own_broker.dequeue(wait=0)
    own_broker.dequeue(wait=0.01)  # opens the connection that blocks
    own_broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)
    client = own_broker.connection
    client.config_resetstat()

    own_broker.dequeue(wait=0.7)
    own_broker.dequeue(wait=0.7)
    own_broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)

    # Twice a blocking move, and a script of five commands; a heartbeat.
    assert commands(client) == 2 * (1 + 1 + 5) + 1


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
            wait_until(lambda: root.info("clients")["blocked_clients"])
        os.write(writer, b"x")

    thread = threading.Thread(target=wake_when_it_blocks)
    thread.start()
    start = time.monotonic()

    assert limited_broker.dequeue(wait=30) == []

    assert time.monotonic() - start < 20
    thread.join()
    limited_broker.wake_fd = None
    limited_broker.enqueue("a")
    assert payloads(limited_broker.dequeue(wait=30)) == [b"a"]
    os.close(reader), os.close(writer)


def test_the_name_of_a_server_that_does_not_tell_is_short(limited_broker):
    assert limited_broker.info() == "Redis"


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
