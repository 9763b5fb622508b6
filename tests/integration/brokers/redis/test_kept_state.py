"""What Redis keeps beside payloads: where it is, that it ends, and what is damaged of it."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.redis.kept_state import kept_texts
from django_q.brokers.terms import Terms
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once

KEPT = KeptState("attempts", "position")


def put(broker, kind):
    """Enqueue a task of a kind."""
    if kind == "plain":
        broker.enqueue("task")
    else:
        broker.enqueue_task("task", Terms("task"))


def fields(broker, kind):
    """Name the fields of the hash that has what is kept, without the one that never ends."""
    key = key_of("tries" if kind == "plain" else "task_tries")
    return {name.decode() for name in broker.connection.hkeys(key)} - {"-" * 65}


of_each_kind = pytest.mark.parametrize("kind", ["plain", "with terms"])

#: How a task ends whose delivery is held.
ENDS = {
    "acknowledge": lambda broker, held: broker.acknowledge(held.ack_id),
    "dead letter": lambda broker, held: broker.move_to_dead_letters(held.ack_id, "task"),
    "delete": lambda broker, held: broker.delete(held.ack_id),
    "purge": lambda broker, held: (broker.extend([held.ack_id], 0), broker.purge_queue()),
    "delete queue": lambda broker, held: broker.delete_queue(),
    "no payload": lambda broker, held: lose_payload(broker, held),
}


def lose_payload(broker, held):
    """Let a payload be lost, and its lease."""
    broker.connection.delete(key_of("tasks"), key_of("running"))
    broker.extend([held.ack_id], 0)
    assert broker.dequeue(wait=0) == []


@of_each_kind
@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_kept_of_a_task_that_has_ended(broker, kind, end):
    put(broker, kind)
    (held,) = broker.dequeue(wait=0)
    assert broker.keep_state({held.ack_id: KEPT}) == set()
    assert len(fields(broker, kind)) == 3

    ENDS[end](broker, held)

    assert fields(broker, kind) == set()


@of_each_kind
def test_what_others_have_kept_stays_when_one_ends(broker, kind):
    put(broker, kind), broker.enqueue("another")
    held = broker.dequeue(9, wait=0)
    broker.keep_state({each.ack_id: KEPT for each in held})
    put(broker, kind)
    (third,) = broker.dequeue(9, wait=0)

    broker.acknowledge(third.ack_id)
    broker.extend([each.ack_id for each in held], 0)

    assert [each.state for each in broker.dequeue(9, wait=0)] == [KEPT, KEPT]


def test_a_plain_task_of_which_something_is_kept_never_goes_back_to_the_list(broker):
    broker.enqueue_many(["kept before", "kept now", "nothing"])
    held = [each.ack_id for each in broker.dequeue(9, wait=0)]
    broker.keep_state({held[0]: KEPT})

    broker.release(held, count=False, states={held[1]: KEPT})

    assert broker.connection.lrange(key_of("q"), 0, -1) == [b"nothing"]
    found = {each.payload: each for each in broker.dequeue(9, wait=0)}
    assert [found[name].state for name in (b"kept before", b"kept now", b"nothing")] == [
        *(KEPT, KEPT, None)
    ]
    assert {each.attempt for each in found.values()} == {1}


@of_each_kind
def test_rubbish_in_place_of_what_was_kept_is_delivered_as_it_is(broker, kind):
    put(broker, kind)
    (held,) = broker.dequeue(wait=0)
    broker.keep_state({held.ack_id: KEPT})
    key = key_of("tries" if kind == "plain" else "task_tries")
    number = held.ack_id.removeprefix("t")
    broker.connection.hset(key, f"attempts:{number}", b"\xff\x00")
    broker.extend([held.ack_id], 0)

    (again,) = broker.dequeue(wait=0)

    assert again.state == ("\ufffd\x00", "position", "")


@of_each_kind
def test_a_fence_that_is_damaged_stops_no_take(broker, kind):
    put(broker, kind)
    (held,) = broker.dequeue(wait=0)
    broker.extend([held.ack_id], 0)
    key = key_of("tries" if kind == "plain" else "task_tries")
    broker.connection.hset(key, held.ack_id.removeprefix("t"), "rubbish")

    (again,) = broker.dequeue(wait=0)

    assert again.payload == b"task"
    assert broker.acknowledge(again.ack_id)


@of_each_kind
def test_what_an_earlier_release_has_left_is_removed_at_the_next_start(broker, kind):
    for name in ("first", "second"):
        put(broker, kind) if kind == "plain" else broker.enqueue_task("task", Terms(name))
    gone, held = broker.dequeue(2, wait=0)
    broker.keep_state({gone.ack_id: KEPT, held.ack_id: KEPT})
    # As an earlier release acknowledges.
    payloads = key_of("running" if kind == "plain" else "tasks")
    broker.connection.hdel(payloads, gone.ack_id.removeprefix("t"))

    broker.prepare()
    left = fields(broker, kind)
    broker.acknowledge(held.ack_id)

    number = held.ack_id.removeprefix("t")
    assert left == {"kept", f"attempts:{number}", f"position:{number}"}
    assert fields(broker, kind) == set()


def test_a_purge_leaves_what_is_held_and_what_is_kept_of_it(broker):
    broker.enqueue_many(["a", "b"])
    held = broker.dequeue(9, wait=0)
    broker.keep_state({held[0].ack_id: KEPT})

    broker.purge_queue()

    assert broker.extend([each.ack_id for each in held], 0) == set()
    assert [each.state for each in broker.dequeue(9, wait=0)] == [KEPT, None]


def test_texts_that_are_too_long_or_empty_are_not_sent():
    states = {"1": KeptState("x" * 65_536, "y" * 65_537, "mark"), "2": KeptState(cancelled="mark")}

    assert kept_texts(states, ["1", "2", "3"]) == [1, "1", "x" * 65_536, ""]
    assert kept_texts(None, ["1"]) == [0]
