"""What is sent to Redis arrives once, or the call says that nobody knows."""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.redis.connections.client import with_defaults
from django_q.brokers.redis.connections.sender import Sender
from django_q.brokers.redis.producer import MAX_VALUES_PER_PUSH
from django_q.brokers.terms import Terms
from django_q.servers.connections import connect_redis
from tests.faults.proxy import Mode, Proxy
from tests.waiting import DEADLINE


@pytest.fixture
def proxy(broker, conf) -> Iterator[Proxy]:
    """Stand before the server."""
    port = broker.connection.get_connection_kwargs()["port"]
    proxy = Proxy(port)
    conf(redis=f"redis://127.0.0.1:{proxy.port}/0")
    yield proxy
    proxy.close()


@pytest.fixture
def producer(proxy: Proxy) -> Iterator[Any]:
    """Send by way of the proxy; connected."""
    producer = get_broker()
    assert producer.queue_size() == 0
    yield producer
    producer.close()


PUSHES: list[tuple[Callable[[Any], Any], int]] = [
    (lambda producer: producer.enqueue("a"), 1),
    (lambda producer: producer.enqueue("a", delay=60), 1),
    (lambda producer: producer.enqueue_many("abc"), 3),
    (
        lambda producer: producer.enqueue_many(["a"] * (MAX_VALUES_PER_PUSH + 1)),
        MAX_VALUES_PER_PUSH + 1,
    ),
    (lambda producer: producer.enqueue_task("a", Terms("a")), 1),
    (
        lambda producer: producer.enqueue_tasks([("a", Terms("a"))] * (MAX_VALUES_PER_PUSH + 1)),
        MAX_VALUES_PER_PUSH + 1,
    ),
]


@pytest.mark.parametrize(("push", "count"), PUSHES)
def test_a_push_whose_reply_is_lost_is_not_repeated_and_says_so(
    broker, proxy, producer, wait_until, push, count
):
    def size() -> int:
        return broker.queue_size() + broker.lock_size()

    push(broker)  # the server knows the script from then on
    broker.delete_queue()
    proxy.mode = Mode.DEAF
    with ThreadPoolExecutor() as pool:
        pushed = pool.submit(push, producer)
        wait_until(size)
        proxy.cut()
        proxy.mode = Mode.PASS

        with pytest.raises(redis.ConnectionError, match=r"closed.*may be in the queue or not"):
            pushed.result(DEADLINE)

    assert size() == count


@pytest.mark.parametrize(("push", "count"), PUSHES)
def test_a_push_on_a_connection_that_was_cut_before_is_a_push(
    broker, proxy, producer, wait_until, push, count
):
    proxy.cut()
    wait_until(lambda: not proxy.clients)

    push(producer)

    assert broker.queue_size() + broker.lock_size() == count


def test_a_push_waits_a_little_for_a_server_that_can_not_be_reached(
    broker, proxy, producer, wait_until
):
    proxy.mode = Mode.REFUSE
    proxy.cut()
    wait_until(lambda: not proxy.clients)
    later = threading.Timer(0.3, lambda: setattr(proxy, "mode", Mode.PASS))
    later.start()

    producer.enqueue("a")

    assert broker.queue_size() == 1
    later.join()


def test_many_go_all_or_none(broker):
    broker.connection.set(broker.list_key, "no list")

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        broker.enqueue_many(["a"] * (MAX_VALUES_PER_PUSH + 1))
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        broker.enqueue("a")

    broker.connection.delete(broker.list_key)
    assert broker.enqueue("a") == 1


def loading_server(server: socket.socket) -> None:
    """Stand for a server that reads its file until it is asked for the second time."""
    replies = [b":1\r\n", b"-LOADING Redis is loading the dataset in memory\r\n"]
    while replies:
        client, _ = server.accept()
        with client:
            while data := client.recv(1000):
                is_push = b"RPUSH" in data
                client.sendall(replies.pop() if is_push else b"+OK\r\n" * data.count(b"SETINFO"))


def test_what_a_server_refuses_is_sent_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=loading_server, args=(server,), daemon=True)
        thread.start()
        options = {"port": server.getsockname()[1], "protocol": 2}

        with connect_redis(with_defaults(options)) as client:
            assert Sender(client).send(("RPUSH", "list", "a")) == [1]

        thread.join(DEADLINE)


def test_a_pipeline_is_a_client_too(broker):
    with broker.connection.pipeline() as pipeline:
        Sender(pipeline).send(("RPUSH", broker.list_key, "a"))
        assert broker.queue_size() == 0
        pipeline.execute()

    assert broker.queue_size() == 1


def test_a_push_after_a_fork_has_a_connection_of_its_own(broker):
    broker.enqueue("before")
    child = multiprocessing.get_context("fork").Process(target=broker.enqueue, args=("child",))
    child.start()
    child.join(DEADLINE)

    broker.enqueue("after")

    assert child.exitcode == 0
    clients = {delivery.payload for delivery in broker.dequeue(3, 0)}
    assert clients == {b"before", b"child", b"after"}


def test_one_connection_is_kept_and_others_go_back(broker):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(broker.enqueue, map(str, range(40))))

    assert broker.queue_size() == 40
    assert len(broker.sender.idle_connections) == 1
    broker.close()
    assert broker.queue_size() == 40


def test_a_small_pool_keeps_its_connections(conf, broker):
    port = broker.connection.get_connection_kwargs()["port"]
    conf(redis={"port": port, "max_connections": 1})
    small = get_broker()

    small.enqueue("a")

    assert small.queue_size() == 1
    small.close()
