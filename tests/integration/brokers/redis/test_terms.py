"""Tasks with terms on Redis: the order of a take, keys, and what of them is damaged."""

from __future__ import annotations

import threading
import time

import pytest

from django_q.brokers import get_broker
from django_q.brokers.redis.terms import is_task_receipt, queue_names_in
from django_q.brokers.terms import LEASED, WAITING, Terms
from tests.integration.brokers.redis.keys import key_of
from tests.waiting import wait_until

pytestmark = pytest.mark.once

KEY = "0123456789abcdef" * 2


def add(broker, *names, **terms):
    """Enqueue tasks with the same terms."""
    return broker.enqueue_tasks([(name, Terms(name, **terms)) for name in names])


def take(broker, limit=99):
    """Take payloads."""
    return [each.payload.decode() for each in broker.dequeue(limit, wait=0)]


def set_clock_back(broker, *names):
    """Leave what an hour back leaves: times of these sets, and of the last lease, an hour ahead."""
    hour, client, clock = 3600 * 1_000_000, broker.connection, key_of("clock")
    client.set(clock, int(client.get(clock)) + hour)
    for key in map(key_of, names):
        for number in client.zrange(key, 0, -1):
            client.zincrby(key, hour if number.isdigit() else 0, number)


def test_higher_priorities_come_first_and_plain_tasks_count_as_zero(broker):
    add(broker, "low", priority=-1)
    broker.enqueue_many(["plain 1", "plain 2"])
    add(broker, "zero 1", "zero 2")
    add(broker, "high", priority=1)
    add(broker, "highest", priority=100)

    found = take(broker)

    assert (found[:2], found[-1]) == (["highest", "high"], "low")
    assert found[2:6] in (
        ["zero 1", "plain 1", "zero 2", "plain 2"],
        ["plain 1", "zero 1", "plain 2", "zero 2"],
    )


def test_the_list_and_tasks_of_priority_zero_take_turns_one_by_one(broker):
    broker.enqueue_many(["plain"] * 4)
    add(broker, *"abcd")

    found = [take(broker, 1)[0] for _ in range(8)]

    assert [name == "plain" for name in found] in ([True, False] * 4, [False, True] * 4)


@pytest.mark.parametrize("old", ["plain", "with terms"])
def test_of_sixteen_takes_one_begins_with_the_oldest(broker, old):
    broker.enqueue(old) if old == "plain" else add(broker, old, priority=-100)
    add(broker, *(f"high {n}" for n in range(40)), priority=100)

    found = [take(broker, 2) for _ in range(16)]

    assert old in [each[0] for each in found]
    assert sum(map(len, found)) == len({name for each in found for name in each}) == 32


def test_a_task_that_is_due_comes_in_its_priority(broker):
    add(broker, "late", priority=1, delay=0.05)
    add(broker, "zero")
    add(broker, "higher", priority=2)

    wait_until(lambda: broker.count_tasks().waiting == 3)

    assert take(broker) == ["higher", "late", "zero"]


def test_a_task_that_is_released_comes_in_its_priority(broker):
    add(broker, "low", priority=-1)
    (low,) = broker.dequeue(wait=0)
    add(broker, "zero")

    broker.release([low.ack_id])

    assert take(broker) == ["zero", "low"]


def test_leases_that_were_lost_come_first(broker):
    add(broker, "low", priority=-1)
    broker.enqueue("plain")
    held = broker.dequeue(9, wait=0)
    add(broker, "high", priority=1)
    for each in reversed(held):
        broker.extend([each.ack_id], 0)

    assert take(broker) == ["low", "plain", "high"]


def test_many_that_are_due_become_ready_the_earliest_first(broker):
    add(broker, *map(str, range(2500)), delay=60, priority=1)
    client = broker.connection
    for number in client.zrange(key_of("delayed"), 0, -1):
        client.zadd(key_of("delayed"), {number: 1})
    client.zadd(key_of("task_leases"), {b"-" * 65: 0})

    assert len(take(broker, 10)) == 10

    assert client.zcard(key_of("delayed")) == 1500
    assert len(take(broker, 9999)) + len(take(broker, 9999)) == 2490


def test_thousands_of_lost_leases_are_taken_at_once(broker):
    add(broker, *map(str, range(9000)))
    held = broker.dequeue(9000, wait=0)
    add(broker, "new")
    broker.extend([each.ack_id for each in held], 0)

    assert len(broker.dequeue(8500, wait=0)) == 8500
    assert take(broker, 501)[-1] == "new"


@pytest.mark.parametrize("script", ["take", "take_tasks"])
def test_a_lease_ends_in_time_although_the_server_s_clock_was_set_back(broker, script):
    add(broker, "task")
    add(broker, "later", delay=7200)
    add(broker, "soon", delay=20)
    broker.dequeue(wait=0)
    set_clock_back(broker, "task_leases", "delayed")
    broker._has_tasks = script == "take_tasks"

    assert take(broker) == []

    assert broker.find("task").due - time.time() < 60
    assert broker.find("soon").due - time.time() < 60
    assert broker.find("later").due - time.time() > 7000


@pytest.mark.parametrize("script", ["take", "take_tasks"])
def test_a_task_behind_another_comes_after_it_although_the_server_s_clock_was_set_back(
    broker, script
):
    other = "f" * 32
    add(broker, "first", unique=KEY)
    add(broker, "other", unique=other)
    broker.dequeue(2, wait=0)
    add(broker, "second", unique=KEY, is_successor=True)
    add(broker, "later", unique=other, is_successor=True, delay=7200)
    set_clock_back(broker, "task_leases", "held")
    broker._has_tasks = script == "take_tasks"
    assert take(broker) == []

    client, leases = broker.connection, key_of("task_leases")
    for number in client.zrange(leases, 0, -1):
        if number.isdigit():
            client.zadd(leases, {number: 1})
    for delivery in broker.dequeue(2, wait=0):
        broker.acknowledge(delivery.ack_id)

    assert take(broker) == ["second"]
    assert broker.find("later").due - time.time() > 7000


def test_who_waits_is_woken_by_a_task_with_terms(broker):
    started = time.monotonic()
    broker.dequeue(wait=0)
    other = get_broker()
    timer = threading.Timer(0.3, add, [other, "task"])
    timer.start()

    (found,) = broker.dequeue(wait=20)

    timer.join()
    other.close()
    assert (found.payload, time.monotonic() - started < 10) == (b"task", True)


@pytest.mark.parametrize("change", ["delay", "successor", "release"])
def test_who_waits_takes_what_becomes_due(broker, change):
    other, held = get_broker(), []
    if change != "delay":
        add(broker, "task", unique=KEY)
        held = broker.dequeue(wait=0)
    assert broker.dequeue(wait=0) == []

    def act():
        match change:
            case "delay":
                add(other, "task", delay=0.2)
            case "successor":
                add(other, "task", unique=KEY, is_successor=True)
                other.acknowledge(held[0].ack_id)
            case "release":
                other.release([held[0].ack_id], delay=0.2)

    timer = threading.Timer(0.1, act)
    timer.start()
    started = time.monotonic()
    (found,) = broker.dequeue(wait=20)
    timer.join()
    other.close()

    assert (found.payload, time.monotonic() - started < 10) == (b"task", True)


def test_terms_that_can_not_be_read_are_told_once_and_the_task_runs(broker, caplog):
    add(broker, "damaged", priority=5, unique=KEY)
    number = broker.connection.hget(key_of("terms"), "task:damaged")
    broker.connection.hset(key_of("terms"), number, "what is this")

    (found,) = broker.dequeue(9, wait=0)

    assert (found.payload, found.attempt, found.expires_in) == (b"damaged", 1, None)
    assert caplog.text.count("can not be read: it runs as one without options") == 1
    (listed,) = broker.list_tasks()
    assert (listed.state, listed.task_id, listed.priority) == (LEASED, "", 0)
    assert broker.acknowledge(found.ack_id)
    assert add(broker, "next", unique=KEY)[0].is_new


def test_a_task_does_not_wait_for_ever_behind_one_whose_terms_are_damaged(broker):
    add(broker, "damaged", unique=KEY)
    (held,) = broker.dequeue(wait=0)
    add(broker, "behind", unique=KEY, is_successor=True)
    assert take(broker) == []
    number = held.ack_id.removeprefix("t")
    broker.connection.hset(key_of("terms"), number, "")

    assert broker.acknowledge(held.ack_id)

    assert take(broker) == ["behind"]
    assert not add(broker, "third", unique=KEY)[0].is_new


def test_a_task_whose_payload_is_no_more_is_dropped(broker):
    add(broker, "gone", "here", unique=KEY)
    add(broker, "there")
    broker.connection.hdel(key_of("tasks"), broker.connection.hget(key_of("terms"), "task:gone"))

    assert take(broker, 1) + take(broker, 1) + take(broker, 1) == ["there"]
    assert add(broker, "new", unique=KEY)[0].is_new


def test_no_name_is_left_behind(broker):
    add(broker, "first", unique=KEY, unique_for=60)
    held = broker.dequeue(wait=0)
    add(broker, "second", unique=KEY, is_successor=True)
    add(broker, "delayed", delay=60)
    broker.acknowledge_many(each.ack_id for each in held)
    broker.acknowledge_many(each.ack_id for each in broker.dequeue(9, wait=0))
    broker.purge_queue()

    left = {key.rpartition(b":")[2]: broker.connection.type(key) for key in keys(broker)}

    hashes = {b"tasks", b"terms", b"ready", b"delayed", b"held"}
    assert hashes.isdisjoint(left)
    assert KEY.encode() in left  # for a minute
    assert 0 < broker.connection.pttl(f"{broker.list_key}:kept:{KEY}") <= 60_000


def keys(broker):
    return broker.connection.keys(f"{broker.list_key}*")


def test_a_queue_is_deleted_with_all_its_tasks(broker):
    add(broker, "a", "b", delay=60)
    add(broker, "c", unique=KEY)
    broker.dequeue(wait=0)

    broker.delete_queue()

    assert broker.count_tasks()[:3] == (0, 0, 0)
    assert (broker.find("a"), broker.find("c")) == (None, None)
    assert add(broker, "d", unique=KEY)[0].is_new


def test_a_task_is_replaced_where_it_waits_and_only_by_who_has_seen_it_last(broker):
    add(broker, "first", unique=KEY, delay=60)
    found = add(broker, "second", unique=KEY)[0]
    terms = Terms("first", unique=KEY, priority=3)

    assert broker.replace_task(found.version, "new", terms) is True
    assert broker.replace_task(found.version, "newer", terms) is False

    task = broker.find("first")
    assert (task.payload, task.state, task.priority) == (b"new", WAITING, 3)
    assert take(broker) == ["new"]
    assert broker.replace_task(found.version, "newest", terms) is False
    assert broker.replace_task("rubbish", "newest", terms) is False


def test_a_lease_that_has_ended_is_not_what_was_seen_before_it(broker):
    add(broker, "first", unique=KEY)
    seen = broker.find_duplicate(Terms("other", unique=KEY))
    (held,) = broker.dequeue(wait=0)
    assert broker.find_duplicate(Terms("other", unique=KEY)).version is None
    broker.extend([held.ack_id], 0)
    now = broker.find_duplicate(Terms("other", unique=KEY))

    assert broker.replace_task(seen.version, "late", Terms("first", unique=KEY)) is False
    assert broker.replace_task(now.version, "new", Terms("first", unique=KEY)) is True

    assert broker.acknowledge(held.ack_id) is False
    assert take(broker) == ["new"]


def test_receipts_of_both_kinds_are_told_apart_in_one_call(broker):
    broker.enqueue("plain")
    add(broker, "task")
    held = [each.ack_id for each in broker.dequeue(9, wait=0)]

    assert sorted(map(is_task_receipt, held)) == [False, True]
    assert broker.extend([*held, "t1", "1"], 10) == {"t1", "1"}
    assert broker.release(held, count=False) == set()
    assert broker.acknowledge_many(held) == set(held)
    assert len(take(broker)) == 2


def test_names_of_queues_are_found_among_keys():
    keys = [b"django_q:a:q", "django_q:a:q:tasks", b"django_q:b:q:running", b"django_q:c:q:terms"]

    assert queue_names_in(keys) == {"django_q:a:q", "django_q:b:q"}
