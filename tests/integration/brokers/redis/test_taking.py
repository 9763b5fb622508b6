"""What takes cost on Redis, and how a queue that is held back is asked again."""

from __future__ import annotations

import time

import pytest

from django_q.brokers.terms import Terms
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once


def calls(client):
    """Count the calls of each command since the last reset."""
    return {
        name.removeprefix("cmdstat_"): stat["calls"]
        for name, stat in client.info("commandstats").items()
    }


def test_a_take_of_plain_tasks_asks_once_what_holds_the_queue_back(own_broker):
    own_broker.enqueue_many(["task"] * 100)
    own_broker.dequeue(wait=0)
    client = own_broker.connection
    client.config_resetstat()

    found = own_broker.dequeue(99, wait=0)
    own_broker.acknowledge_many(each.ack_id for each in found)

    ran = calls(client)
    assert (len(found), ran["hmget"], ran["evalsha"]) == (99, 1, 2)
    assert "hget" not in ran


@pytest.mark.parametrize("kind", ["plain", "with terms"])
def test_a_paused_queue_is_asked_twice_a_second(own_broker, kind):
    if kind == "plain":
        own_broker.enqueue("task")
    else:
        own_broker.enqueue_task("task", Terms("task"))
    own_broker.pause()
    own_broker.connection.config_resetstat()

    assert own_broker.dequeue(9, wait=1.1) == []

    asked = calls(own_broker.connection)["evalsha"]
    assert 2 <= asked / (1 if kind == "plain" else 2) <= 4
    assert own_broker.is_held


def test_a_queue_at_its_limit_is_asked_soon_and_then_ever_later(own_broker):
    own_broker.enqueue_many(["task"] * 3)
    own_broker.set_limit(1)
    (held,) = own_broker.dequeue(9, wait=0)
    own_broker.connection.config_resetstat()

    assert own_broker.dequeue(9, wait=1.1) == []

    assert 4 <= calls(own_broker.connection)["evalsha"] <= 9
    own_broker.acknowledge(held.ack_id)
    assert len(own_broker.dequeue(9, wait=30)) == 1
    assert own_broker._held_poll_seconds < 0.1


def test_a_limit_is_kept_among_thousands_of_delayed_tasks(broker):
    fill_with_delayed(broker, 30_000)
    broker.enqueue_many(["task"] * 9)
    broker.enqueue_task("with terms", Terms("with terms", delay=60))
    broker.set_limit(5)

    taken = [len(broker.dequeue(3, wait=0)) for _ in range(3)]

    assert (taken, broker.is_held) == ([3, 2, 0], True)


def fill_with_delayed(broker, count):
    """Delay tasks, until times within those of leases."""
    now, lease = broker.connection.time(), 60 * 10**6
    first = now[0] * 10**6 + 10 * 10**6
    ids = range(1, count + 1)
    with broker.connection.pipeline() as pipeline:
        pipeline.hset(key_of("running"), mapping=dict.fromkeys(ids, "delayed"))
        pipeline.hset(key_of("tries"), mapping={"-" * 65: "", **dict.fromkeys(ids, "0-0")})
        ends = {number: first + number * (lease // 2) // count for number in ids}
        pipeline.zadd(key_of("leases"), ends)
        pipeline.execute()


def test_due_tasks_that_are_left_at_the_limit_are_taken_without_waiting_for_a_push(broker):
    for name in "abc":
        broker.enqueue(name, delay=60)
    for member in broker.connection.zrange(key_of("leases"), 0, 2):
        broker.connection.zadd(key_of("leases"), {member: 1})
    broker.set_limit(2)

    found = broker.dequeue(9, wait=0)

    assert len(found) == 2
    broker.acknowledge_many(each.ack_id for each in found)
    started = time.monotonic()
    assert len(broker.dequeue(9, wait=20)) == 1
    assert time.monotonic() - started < 10
