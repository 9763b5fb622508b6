"""What every broker promises of a queue that is paused, for one cluster or for all."""

from __future__ import annotations

import os
import threading
import time

import pytest

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import PAUSE_ORDER, QueueControl
from tests import waiting
from tests.integration.brokers.contract.kinds import (
    LATER,
    LEASE,
    of_serving,
    payload_texts,
    put,
    take_all,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.brokers.contract.steering import ODD_TEXT, of_both_sorts

#: CPU seconds that a second of waiting may cost; to ask again and again would cost it all.
IDLE_CPU_SECONDS = 0.5


@of_serving
def test_a_broker_says_that_it_knows_pauses(broker):
    assert PAUSE_ORDER in broker.obeys


@of_serving
def test_a_queue_is_not_held_unless_somebody_says_so(broker):
    assert broker.control() == QueueControl(False, frozenset(), None)
    assert broker.dequeue(wait=0) == []
    assert broker.is_held is False


@of_serving
@of_both_sorts
def test_nothing_is_taken_from_a_paused_queue(broker, peer, put_one):
    put_one(broker, "before")

    peer.pause()

    put_one(broker, "after")
    assert broker.dequeue(9, wait=0) == []
    assert broker.is_held is True
    assert broker.control() == QueueControl(is_paused=True)
    assert (broker.queue_size(), broker.lock_size()) == (2, 0)


@of_serving
@of_both_sorts
def test_what_waits_is_taken_after_the_pause(broker, peer, put_one):
    broker.pause()
    put_one(broker, "a")
    put_one(broker, "b")
    assert broker.dequeue(9, wait=0) == []

    assert peer.resume() is True

    assert take_all(broker) == ["a", "b"]
    assert broker.is_held is False
    assert broker.control() == QueueControl()


@of_serving
def test_a_resumption_says_whether_there_was_a_pause(broker):
    broker.pause()
    broker.pause()
    broker.pause("one")

    assert broker.resume("two") is False
    assert broker.resume() is True
    assert broker.resume() is False
    assert broker.resume("one") is True
    assert broker.resume("one") is False


@of_serving
@of_both_sorts
def test_a_queue_can_be_paused_for_one_cluster(broker, peer, put_one):
    broker.cluster_id, peer.cluster_id = "one", "two"
    put_one(broker, "a")

    broker.pause("one")

    assert broker.control() == QueueControl(paused_clusters=frozenset({"one"}))
    assert broker.dequeue(wait=0) == []
    assert broker.is_held is True
    assert payload_texts(peer.dequeue(wait=0)) == ["a"]
    assert peer.is_held is False


@of_serving
def test_a_queue_can_be_paused_for_several_clusters(broker, peer):
    broker.cluster_id, peer.cluster_id = "one", "two"
    broker.enqueue("a")

    broker.pause("one"), broker.pause("two"), broker.pause("three")

    assert broker.control().paused_clusters == {"one", "two", "three"}
    assert broker.dequeue(wait=0) == peer.dequeue(wait=0) == []
    broker.resume("two")
    assert broker.dequeue(wait=0) == []
    assert payload_texts(peer.dequeue(wait=0)) == ["a"]


@of_serving
@pytest.mark.parametrize(("first", "second"), [("", "one"), ("one", "")])
def test_the_pause_of_a_cluster_and_that_of_all_end_each_for_itself(broker, first, second):
    broker.cluster_id = "one"
    broker.enqueue("a")
    broker.pause(), broker.pause("one")

    broker.resume(first)

    assert broker.dequeue(wait=0) == []
    broker.resume(second)
    assert take_all(broker) == ["a"]


@of_serving
def test_who_takes_without_being_a_cluster_is_held_by_the_pause_of_all_only(broker):
    broker.enqueue("a")
    broker.pause("one")

    assert take_all(broker) == ["a"]


@of_serving
def test_the_id_of_a_cluster_may_have_any_characters(broker):
    broker.cluster_id = ODD_TEXT
    broker.enqueue("a")

    broker.pause(ODD_TEXT)

    assert broker.control().paused_clusters == {ODD_TEXT}
    assert broker.dequeue(wait=0) == []
    assert broker.resume(ODD_TEXT) is True
    assert take_all(broker) == ["a"]


@of_serving
def test_what_is_delayed_stays_where_it_is(broker):
    broker.enqueue("plain", delay=20)
    put(broker, "termed", delay=20)
    broker.pause()

    let_pass(broker, 21)

    assert broker.dequeue(9, wait=0) == []
    broker.resume()
    assert sorted(take_all(broker)) == ["plain", "termed"]


@of_serving
@pytest.mark.parametrize("options", [{}, {"delay": 20}, {"count": False}])
def test_what_is_released_stays_where_it_is(broker, options):
    broker.enqueue("plain")
    put(broker, "termed")
    receipts = [each.ack_id for each in broker.dequeue(9, wait=0)]
    broker.pause()

    assert broker.release(receipts, **options) == set()

    let_pass(broker, 21)
    assert broker.dequeue(9, wait=0) == []
    broker.resume()
    taken = broker.dequeue(9, wait=0)
    assert sorted(payload_texts(taken)) == ["plain", "termed"]
    assert {each.attempt for each in taken} == {1 + options.get("count", True)}


@of_serving
def test_leases_that_end_meanwhile_stay_and_their_holders_may_end_them(broker):
    broker.enqueue("plain")
    put(broker, "termed")
    broker.enqueue("ended")
    receipts = {each.payload: each.ack_id for each in broker.dequeue(9, wait=0)}
    (ended,) = [receipt for payload, receipt in receipts.items() if payload in ("ended", b"ended")]
    broker.pause()
    let_pass(broker, LEASE + 1)

    assert broker.dequeue(9, wait=0) == []

    assert broker.acknowledge(ended) is True
    broker.resume()
    taken = broker.dequeue(9, wait=0)
    assert sorted(payload_texts(taken)) == ["plain", "termed"]
    assert {each.attempt for each in taken} == {2}


@of_serving
def test_what_is_leased_can_be_changed_while_the_queue_is_paused(broker):
    broker.enqueue_many("ab")
    first, second = (each.ack_id for each in broker.dequeue(9, wait=0))
    broker.pause()

    assert broker.extend([first], 2 * LEASE) == set()
    let_pass(broker, LEASE + 1)

    assert broker.count_tasks()[:3] == (1, 0, 1)
    assert broker.acknowledge_many([first, second]) == set()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_serving
def test_who_blocks_takes_nothing_once_the_pause_is_there(broker, peer, in_thread):
    taken = in_thread(lambda: (peer.dequeue(wait=1.5), peer.is_held, peer.close())[:2])
    time.sleep(0.3)  # until the other blocks

    broker.pause()
    broker.enqueue("plain")
    put(broker, "termed")

    assert taken() == ([], True)
    assert broker.queue_size() == 2


@of_serving
def test_a_resumption_wakes_who_is_held(broker, peer, in_thread):
    broker.enqueue("a")
    broker.pause()
    taken = in_thread(lambda: (peer.dequeue(wait=30), time.monotonic(), peer.close())[:2])
    time.sleep(0.3)  # until the other waits

    start = time.monotonic()
    broker.resume()

    deliveries, end = taken()
    assert payload_texts(deliveries) == ["a"]
    assert end - start < 15


@of_serving
def test_to_be_held_takes_its_time_and_little_work(broker):
    broker.enqueue_many("abc")
    put(broker, "termed")
    broker.pause()
    broker.dequeue(wait=0)
    start, cpu = time.monotonic(), time.process_time()

    assert broker.dequeue(wait=1) == []

    assert broker.is_held is True
    assert 0.9 < time.monotonic() - start < 15
    assert time.process_time() - cpu < IDLE_CPU_SECONDS


@of_serving
def test_who_is_held_can_be_woken(broker, in_thread):
    reader, writer = os.pipe()
    broker.wake_fd = reader
    broker.enqueue("a")
    broker.pause()
    waited = in_thread(lambda: (broker.dequeue(wait=30), time.monotonic(), broker.close())[:2])
    time.sleep(0.3)  # until the other waits

    start = time.monotonic()
    os.write(writer, b"x")

    deliveries, end = waited()
    os.close(reader), os.close(writer)
    assert deliveries == []
    assert end - start < 15


@of_serving
def test_what_comes_due_while_the_queue_is_paused_does_not_end_the_wait(broker):
    broker.pause()
    broker.enqueue("a", delay=LATER / 4)
    start = time.monotonic()

    assert broker.dequeue(wait=LATER) == []

    assert time.monotonic() - start > 0.9 * LATER


@of_serving
@pytest.mark.parametrize("empty", ["delete_queue", "purge_queue"])
def test_a_pause_stays_when_the_queue_is_emptied(broker, empty):
    broker.cluster_id = "one"
    broker.enqueue("a")
    broker.pause(), broker.pause("one")

    getattr(broker, empty)()

    assert broker.control() == QueueControl(True, frozenset({"one"}))
    broker.enqueue("b")
    assert broker.dequeue(wait=0) == []


@of_serving
def test_a_pause_stays_when_all_who_knew_of_it_are_gone(broker, peer):
    broker.pause()
    broker.close()
    peer.enqueue("a")

    assert peer.dequeue(wait=0) == []
    assert get_broker().control().is_paused


@of_serving
def test_a_pause_is_of_one_queue(broker):
    other = get_broker("other")
    other.delete_queue()

    broker.pause(), broker.pause("one")

    assert other.control() == QueueControl()
    other.enqueue("a")
    assert take_one(other)
    other.delete_queue()
    other.close()


@of_serving
def test_nothing_is_taken_after_a_pause_by_those_who_take_all_the_while(broker, peer, in_thread):
    broker.enqueue_many(str(n) for n in range(2_000))
    done, takes = threading.Event(), []

    def consume():
        while not done.is_set():
            takes.append(peer.dequeue(wait=0))
        peer.close()

    consumed = in_thread(consume)
    waiting.wait_until(lambda: len(takes) > 5)

    broker.pause()

    leased, count = broker.lock_size(), len(takes)
    waiting.wait_until(lambda: len(takes) > count + 5)
    done.set(), consumed()
    assert broker.lock_size() == leased
    assert takes[-1] == []
