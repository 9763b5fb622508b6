"""What every broker promises, asked of each one."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain

import pytest

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.orm import broker as orm
from django_q.conf import Conf

#: Brokers that know leases.
LEASING = [
    "redis",
    "redis62",
    pytest.param("orm", marks=pytest.mark.django_db(transaction=True)),
    "postgres",
    "other database",
]
#: All brokers.
EACH = [*LEASING, "sqs", "custom"]
#: A lease that ends soon, in seconds.
SHORT = 0.3
#: What must not have passed when the next line is reached, on a machine that has much to do.
#: Nothing blocks meanwhile: Valkey may end a blocking command a second late.
LATER = 1


@pytest.fixture
def broker(request, conf, make_broker, monkeypatch):
    """A broker of each kind, empty."""
    conf(retry=30)
    if request.param == "other database":  # one that nothing in particular is known about
        monkeypatch.setattr(orm, "DATABASE_CLASSES", {})
        return make_broker("postgres")
    return adapt_broker(make_broker(request.param))


# What needs leases that can be extended and receipts that are judged is asked of those that have
# them; see the documentation of the others.
of_leasing = pytest.mark.parametrize("broker", LEASING, indirect=True)
of_each = pytest.mark.parametrize("broker", EACH, indirect=True)
of_each_but_sqs = pytest.mark.parametrize("broker", [*LEASING, "custom"], indirect=True)
of_each_but_custom = pytest.mark.parametrize("broker", [*LEASING, "sqs"], indirect=True)


@pytest.fixture
def peer(broker) -> Iterator:
    """Another process's view of the same queue: it shares no connection."""
    peer = pickle.loads(pickle.dumps(broker))
    yield peer
    peer.close()


@pytest.fixture
def in_thread() -> Iterator[Callable]:
    """Run a function in a thread; give what waits for its result."""
    threads = []

    def start(function: Callable) -> Callable:
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        threads.append(thread)
        thread.start()

        def join():
            thread.join(60)
            return results[0]

        return join

    yield start
    for thread in threads:
        thread.join(30)


def take_one(broker, wait=30):
    (delivery,) = broker.dequeue(wait=wait)
    return delivery


def payloads(deliveries):
    return [str_of(delivery.payload) for delivery in deliveries]


def str_of(payload):
    return payload.decode(errors="replace") if isinstance(payload, bytes) else payload


def joined(lists):
    return list(chain.from_iterable(lists))


@of_each
def test_a_payload_comes_back_as_it_was(broker):
    broker.enqueue("one:two:three")

    delivery = take_one(broker)

    assert str_of(delivery.payload) == "one:two:three"
    assert delivery.attempt == 1


@of_each
def test_an_empty_queue_gives_nothing(broker):
    assert broker.dequeue(wait=0) == []


@of_leasing
def test_payloads_come_in_order_and_no_more_than_asked_for(broker):
    for letter in "abcd":
        broker.enqueue(letter)

    first, second = broker.dequeue(3, wait=0), broker.dequeue(3, wait=0)

    assert payloads(first) == ["a", "b", "c"]
    assert payloads(second) == ["d"]


@of_leasing
def test_many_are_enqueued_at_once_in_order(broker):
    ids = broker.enqueue_many(str(n) for n in range(10_000))

    taken = [broker.dequeue(4_000, wait=0) for _ in range(4)]

    assert len(set(ids)) == 10_000
    assert payloads(joined(taken)) == [str(n) for n in range(10_000)]
    assert broker.acknowledge_many(d.ack_id for d in joined(taken)) == set()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_each
def test_nothing_is_enqueued_of_nothing(broker):
    assert broker.enqueue_many([]) == []
    assert broker.queue_size() == 0


@of_leasing
def test_a_large_payload_comes_back_whole(broker):
    broker.enqueue("x" * 10_000_000)

    assert len(take_one(broker).payload) == 10_000_000


@of_each
def test_junk_is_delivered_for_others_to_judge(broker):
    broker.enqueue(b"\xff\xfe junk \x80")

    delivery = take_one(broker)

    assert b"junk" in (
        delivery.payload if isinstance(delivery.payload, bytes) else delivery.payload.encode()
    )
    assert broker.acknowledge(delivery.ack_id) is True


@of_each
def test_a_leased_payload_is_not_delivered_to_another(broker, peer):
    broker.enqueue("a")
    take_one(broker)

    assert peer.dequeue(wait=0.1) == []


@of_each
def test_an_acknowledged_payload_is_gone(broker, conf):
    conf(retry=SHORT)
    broker.enqueue("a")

    assert broker.acknowledge(take_one(broker).ack_id) is True

    assert broker.dequeue(wait=2 * SHORT) == []
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_each_but_custom
def test_a_payload_comes_again_when_its_lease_has_ended(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    first = take_one(broker)

    again = take_one(peer)

    assert str_of(again.payload) == "a"
    assert again.attempt == 2
    assert again.ack_id != first.ack_id


@of_leasing
def test_each_delivery_counts(broker, conf):
    conf(retry=SHORT)
    broker.enqueue("a")

    assert [take_one(broker).attempt for _ in range(4)] == [1, 2, 3, 4]


@of_leasing
def test_a_stale_receipt_does_nothing_and_is_told(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    old = take_one(broker).ack_id
    conf(retry=30)
    new = take_one(peer).ack_id

    assert broker.acknowledge(old) is False
    assert broker.extend([old], 0) == {old}
    assert broker.release([old]) == {old}
    assert broker.read(old) is None
    broker.move_to_dead_letters(old, "a")
    assert broker.dead_size() == 0
    assert peer.dequeue(wait=0.1) == []
    assert peer.acknowledge(new) is True


@of_leasing
def test_a_receipt_is_good_until_somebody_else_has_the_payload(broker, conf, wait_until):
    conf(retry=SHORT)
    broker.enqueue("a")
    delivery = take_one(broker)
    wait_until(lambda: broker.queue_size() == 1)

    assert broker.acknowledge(delivery.ack_id) is True
    assert broker.acknowledge(delivery.ack_id) is False


@of_leasing
def test_many_receipts_are_judged_one_by_one(broker):
    broker.enqueue_many("ab")
    old = [d.ack_id for d in broker.dequeue(2, wait=0)]
    broker.enqueue_many("cd")
    fresh = [d.ack_id for d in broker.dequeue(2, wait=0)]
    broker.extend(old, 0)
    again = [d.ack_id for d in broker.dequeue(2, wait=30)]
    again += [d.ack_id for d in broker.dequeue(2 - len(again), wait=30)] if len(again) < 2 else []

    assert broker.acknowledge_many([*old, *fresh, again[0]]) == set(old)
    assert broker.acknowledge_many([]) == set()
    assert broker.lock_size() == 1


@of_each_but_custom
def test_an_extended_lease_lasts_longer(broker, peer, conf):
    conf(retry=SHORT)
    broker.enqueue("a")
    delivery = take_one(broker)

    assert broker.extend([delivery.ack_id], 30) == set()

    assert peer.dequeue(wait=2 * SHORT) == []
    assert broker.acknowledge(delivery.ack_id) is True


@of_leasing
def test_a_lease_can_be_let_go_until_a_time(broker, peer):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.extend([delivery.ack_id], LATER)

    assert peer.dequeue(wait=0) == []
    assert take_one(peer).attempt == 2


@of_leasing
def test_a_released_payload_comes_again_at_once(broker, peer):
    broker.enqueue("a")
    delivery = take_one(broker)

    assert broker.release([delivery.ack_id]) == set()

    again = take_one(peer, wait=0)
    assert again.attempt == 2
    assert broker.acknowledge(delivery.ack_id) is False
    assert peer.acknowledge(again.ack_id) is True


@of_leasing
def test_a_release_need_not_count(broker, peer):
    broker.enqueue("a")
    broker.release([take_one(broker).ack_id])
    second = take_one(broker)

    broker.release([second.ack_id], count=False)

    assert take_one(peer, wait=0).attempt == 2
    assert broker.acknowledge(second.ack_id) is False


@of_leasing
def test_what_is_handed_back_unseen_comes_first_and_in_order(broker, peer):
    broker.enqueue_many("abcd")
    deliveries = broker.dequeue(3, wait=0)

    broker.release([d.ack_id for d in deliveries], count=False)

    again = peer.dequeue(9, wait=0)
    assert payloads(again) == ["a", "b", "c", "d"]
    assert {d.attempt for d in again} == {1}
    assert broker.acknowledge_many([d.ack_id for d in deliveries]) == {d.ack_id for d in deliveries}


@of_leasing
@pytest.mark.parametrize("count", [True, False])
def test_a_release_can_be_for_later(broker, peer, count):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.release([delivery.ack_id], delay=LATER, count=count)

    assert peer.dequeue(wait=0) == []
    assert take_one(peer).attempt == 1 + count


@of_leasing
def test_the_payload_of_a_delivery_can_be_read(broker):
    broker.enqueue("a")
    delivery = take_one(broker)

    assert str_of(broker.read(delivery.ack_id)) == "a"
    broker.acknowledge(delivery.ack_id)
    assert broker.read(delivery.ack_id) is None


@of_leasing
def test_a_payload_can_be_buried(broker):
    broker.enqueue("a")
    delivery = take_one(broker)

    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert broker.dead_size() == 1
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.acknowledge(delivery.ack_id) is False


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

    assert payloads(taken()) == ["later"]
    assert SHORT < time.monotonic() - start < 15


@of_leasing
def test_sizes_do_not_count_what_only_wakes(broker):
    broker.enqueue("later", delay=10)
    broker.enqueue("now")
    broker.enqueue("later still", delay=20)

    assert (broker.queue_size(), broker.lock_size()) == (1, 2)
    assert payloads(broker.dequeue(9, wait=0)) == ["now"]


@of_each
def test_a_wait_ends_when_a_payload_comes(broker, peer, in_thread):
    taken = in_thread(lambda: (broker.dequeue(wait=30), time.monotonic(), broker.close())[:2])
    time.sleep(0.2)  # until the other blocks

    start = time.monotonic()
    peer.enqueue("a")

    deliveries, end = taken()
    assert payloads(deliveries) == ["a"]
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
    assert payloads(peer.dequeue(wait=30)) == ["a"]


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


@of_leasing
def test_a_queue_is_purged_of_what_waits(broker):
    broker.enqueue_many("ab")
    held = take_one(broker)
    broker.enqueue("later", delay=20)

    broker.purge_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    assert broker.acknowledge(held.ack_id) is True


@of_leasing
def test_a_queue_is_deleted_with_all_in_it(broker):
    broker.enqueue_many("ab")
    held = take_one(broker)
    broker.enqueue("later", delay=20)

    broker.delete_queue()

    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert broker.acknowledge(held.ack_id) is False


@of_leasing
def test_a_delayed_payload_can_be_deleted(broker):
    later = broker.enqueue("later", delay=20)

    assert broker.delete(later)

    assert broker.lock_size() == 0


@of_each
def test_queues_do_not_mix(broker):
    other = adapt_broker(get_broker("other"))
    other.enqueue("b")

    assert broker.dequeue(wait=0) == []
    assert payloads(other.dequeue(wait=0)) == ["b"]
    other.delete_queue()
    other.close()


@of_each
def test_a_broker_travels_by_name(broker, peer):
    broker.enqueue("a")

    assert type(peer) is type(broker)
    assert peer.list_key == broker.list_key
    assert payloads(peer.dequeue(wait=0)) == ["a"]


@of_each
def test_a_broker_works_again_after_it_was_closed(broker):
    broker.enqueue("a")
    broker.close()

    assert payloads(broker.dequeue(wait=0)) == ["a"]


@of_each
def test_a_broker_says_what_it_is(broker):
    assert broker.ping() is True
    assert broker.info()
    assert adapt_broker(broker) is broker
    assert type(adapt_broker(get_broker())) is type(broker)


@of_leasing
def test_heartbeats_are_kept_for_their_time(broker, wait_until):
    key, other = f"{Conf.Q_STAT}:1", f"{Conf.Q_STAT}:2"
    broker.set_stat(key, "first", 30)
    broker.set_stat(key, "again", 30)
    broker.set_stat(other, "short", SHORT)

    assert str_of(broker.get_stat(key)) == "again"
    assert sorted(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["again", "short"]
    wait_until(lambda: broker.get_stat(other) is None)
    assert list(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["again"]
    broker.set_stat(other, "back", 30)
    assert len(broker.get_stats(f"{Conf.Q_STAT}:*")) == 2
    assert broker.get_stats("other:*") == []
    assert broker.get_stat("unknown") is None


@of_each_but_sqs
def test_consumers_at_once_never_get_the_same_delivery(broker, in_thread):
    total = 2_000
    broker.enqueue_many(str(n) for n in range(total))

    def consume():
        consumer = pickle.loads(pickle.dumps(broker))
        taken = []
        while deliveries := consumer.dequeue(7, wait=0.2):
            taken += payloads(deliveries)
            assert consumer.acknowledge_many([d.ack_id for d in deliveries]) == set()
        consumer.close()
        return taken

    taken = [join() for join in [in_thread(consume) for _ in range(4)]]

    assert sorted(map(int, joined(taken))) == list(range(total))


@of_leasing
@pytest.mark.parametrize(
    "name", ["test[ab]", "test*", "te?t", "test[!a]", "test[", "te%t_", "test\\"]
)
def test_heartbeats_of_a_name_with_signs_of_patterns_are_its_own(broker, conf, name):
    conf(name=name)
    own = f"{Conf.Q_STAT}:1"
    broker.set_stat(own, "own", 30)
    for other in ("testa", "tester", "test", "te1t_x"):
        conf(name=other)
        broker.set_stat(f"{Conf.Q_STAT}:1", "another's", 30)
    conf(name=name)

    assert list(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["own"]
    assert str_of(broker.get_stat(own)) == "own"
