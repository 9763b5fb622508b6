"""What every broker promises of delays and waiting, asked of each one."""

from __future__ import annotations

import os
import time

from tests.integration.brokers.contract.kinds import (
    LATER,
    SHORT,
    of_each,
    of_leasing,
    payload_texts,
    str_of,
    take_one,
)


@of_leasing
def test_a_delayed_payload_comes_when_it_is_due(broker):
    broker.enqueue("later", delay=LATER)

    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    assert broker.dequeue(wait=0) == []
    delivery = take_one(broker)
    assert str_of(delivery.payload) == "later"
    assert delivery.attempt == 1
    assert broker.acknowledge(delivery.ack_id) is True


@of_leasing
def test_a_delay_wakes_who_waits_in_time(broker, peer, in_thread):
    start = time.monotonic()
    taken = in_thread(lambda: (broker.dequeue(wait=30), broker.close())[0])
    time.sleep(0.2)  # until the other blocks

    peer.enqueue("later", delay=SHORT)

    assert payload_texts(taken()) == ["later"]
    assert SHORT < time.monotonic() - start < 15


@of_leasing
def test_sizes_do_not_count_what_only_wakes(broker):
    broker.enqueue("later", delay=10)
    broker.enqueue("now")
    broker.enqueue("later still", delay=20)

    assert (broker.queue_size(), broker.lock_size()) == (1, 2)
    assert payload_texts(broker.dequeue(9, wait=0)) == ["now"]


@of_leasing
def test_sizes_do_not_count_what_wakes_behind_what_is_handed_back(broker):
    broker.enqueue("a")
    delivery = take_one(broker)
    broker.enqueue("later", delay=10)

    broker.release([delivery.ack_id], count=False)

    assert (broker.queue_size(), broker.lock_size()) == (1, 1)
    assert payload_texts(broker.dequeue(9, wait=0)) == ["a"]


@of_each
def test_a_wait_ends_when_a_payload_comes(broker, peer, in_thread):
    taken = in_thread(lambda: (broker.dequeue(wait=30), time.monotonic(), broker.close())[:2])
    time.sleep(0.2)  # until the other blocks

    start = time.monotonic()
    peer.enqueue("a")

    deliveries, end = taken()
    assert payload_texts(deliveries) == ["a"]
    assert end - start < 15


@of_leasing
def test_a_wait_ends_when_asked_to(broker, in_thread):
    reader, writer = os.pipe()
    broker.wake_fd = reader
    waited = in_thread(lambda: (broker.dequeue(wait=30), time.monotonic(), broker.close())[:2])
    time.sleep(0.2)  # until the other blocks

    start = time.monotonic()
    os.write(writer, b"x")

    deliveries, end = waited()
    os.close(reader), os.close(writer)
    assert deliveries == []
    assert end - start < 15


@of_each
def test_an_interrupted_wait_takes_nothing_along(broker, peer):
    reader, writer = os.pipe()
    os.write(writer, b"x")
    broker.wake_fd = reader
    broker.dequeue(wait=30)

    peer.enqueue("a")

    os.close(reader), os.close(writer)
    assert payload_texts(peer.dequeue(wait=30)) == ["a"]


@of_leasing
def test_a_wait_ends_when_the_lease_of_another_does(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    take_one(peer)

    start = time.monotonic()

    assert take_one(broker).attempt == 2
    assert time.monotonic() - start < 15


@of_leasing
def test_waiting_takes_its_time_and_no_longer(broker):
    start = time.monotonic()

    assert broker.dequeue(wait=0.3) == []

    assert 0.25 < time.monotonic() - start < 10
