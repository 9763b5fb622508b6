"""What enqueues on Redis."""

from __future__ import annotations

import pytest
from redis import exceptions as errors

from django_q.brokers.redis.producer import MAX_VALUES_PER_PUSH
from django_q.brokers.terms import Enqueued, Terms
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once

KEY = "0123456789abcdef" * 2


def test_more_tasks_than_one_script_takes_are_added_in_their_order(broker):
    count = MAX_VALUES_PER_PUSH + 5

    found = broker.enqueue_tasks((f"{n}", Terms(f"{n}")) for n in range(count))

    assert found == [Enqueued(f"{n}") for n in range(count)]
    assert broker.enqueue_tasks([]) == []
    taken = broker.dequeue(count, wait=0)
    assert [int(each.payload) for each in taken] == list(range(count))


@pytest.mark.parametrize("count", [1, MAX_VALUES_PER_PUSH + 1])
def test_tasks_are_added_once_after_the_server_has_forgotten_the_script(broker, count):
    broker.enqueue_task("first", Terms("first"))
    broker.connection.script_flush()

    broker.enqueue_tasks([("a", Terms("a"))] * count)

    assert broker.queue_size() == count + 1


def test_of_one_call_only_the_first_of_a_key_is_added(broker):
    tasks = [(f"{n}", Terms(f"{n}", unique=KEY)) for n in range(3)]

    first, *others = broker.enqueue_tasks(tasks)

    assert first == Enqueued("0")
    assert [each[:2] for each in others] == [("0", False)] * 2
    assert broker.queue_size() == 1


def test_none_is_added_where_a_payload_can_not_be_made(broker):
    with pytest.raises(ZeroDivisionError):
        broker.enqueue_tasks((str(1 / n), Terms("a")) for n in (1, 0))

    assert broker.queue_size() == 0


def test_a_key_of_a_call_is_remembered_when_its_task_has_ended(broker):
    terms = Terms("first", idempotency=KEY, idempotency_for=60)
    broker.enqueue_task("a", terms)
    (held,) = broker.dequeue(wait=0)
    broker.acknowledge(held.ack_id)

    found = broker.enqueue_task("b", Terms("second", idempotency=KEY, idempotency_for=60))

    assert found == Enqueued("first", is_new=False)
    assert 0 < broker.connection.pttl(f"{broker.list_key}:kept:{KEY}") <= 60_000
    assert broker.queue_size() == 0


@pytest.mark.parametrize("unique", ["", KEY])
def test_a_task_with_terms_is_enqueued_once_under_a_mark(broker, unique):
    if unique:
        broker.enqueue_task("before", Terms("before", unique=KEY))

    first = broker.enqueue_once("a", "mark", Terms("a", unique=unique))

    assert first is not bool(unique)
    # The mark is set with the task: where another one has its key, neither is there.
    assert broker.enqueue_once("b", "mark", Terms("b")) is bool(unique)
    assert broker.enqueue_once("c", "mark") is False
    assert broker.queue_size() == 1 + bool(unique)


def test_who_may_use_the_keys_of_plain_tasks_alone_takes_those(root, limited, caplog):
    limited.enqueue("plain")
    keys = [f"~{key}" for key in limited.keys]
    root.execute_command("ACL", "SETUSER", "limited", "resetkeys", *keys)
    try:
        limited.prepare()
        with pytest.raises(errors.NoPermissionError):
            limited.enqueue_task("a", Terms("a"))
        (held,) = limited.dequeue(9, wait=0)
        assert limited.acknowledge(held.ack_id)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "allkeys")

    assert caplog.text.count("tasks with options that need terms are not taken") == 1


def test_a_key_of_another_type_is_named_by_who_enqueues(root, limited):
    root.set(key_of("terms"), "text")

    with pytest.raises(errors.ResponseError, match="the key 'django_q:test:q:terms' holds"):
        limited.enqueue_task("a", Terms("a"))
