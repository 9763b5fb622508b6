"""What every broker promises of the state that it keeps beside a payload."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH, KeptState
from tests.integration.brokers.contract.key_ends import ENDS
from tests.integration.brokers.contract.kinds import (
    KEY,
    LATER,
    LEASE,
    call,
    make_terms,
    of_serving,
    payload_texts,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.brokers.contract.steering import (
    ODD_TEXT,
    attempts_text,
    of_both_sorts,
    of_each_return,
    put_plain,
    take_states,
)

BOTH = KeptState("attempts", "position")


@of_serving
def test_a_broker_says_that_it_keeps_states(broker):
    assert broker.keeps_state is True


@of_serving
@of_both_sorts
def test_a_first_delivery_has_no_state(broker, put_one):
    put_one(broker, "a")

    assert take_one(broker).state is None


@of_serving
@of_both_sorts
def test_a_delivery_that_left_no_state_is_followed_by_one_without(broker, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id
    assert broker.keep_state({receipt: KeptState()}) == set()

    broker.release([receipt], states={receipt: KeptState()})

    assert take_one(broker).state is None


@of_serving
@of_both_sorts
@pytest.mark.parametrize("count", [True, False])
def test_what_is_kept_by_a_release_comes_with_the_next_delivery(broker, peer, put_one, count):
    put_one(broker, "one:two")
    receipt = take_one(broker).ack_id

    assert broker.release([receipt], count=count, states={receipt: BOTH}) == set()

    again = take_one(peer)
    assert (str_of(again.payload), again.attempt) == ("one:two", 1 + count)
    assert again.state == BOTH
    assert peer.acknowledge(again.ack_id) is True
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_serving
@of_both_sorts
def test_what_is_kept_by_a_release_for_later_comes_when_that_is_due(broker, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id

    broker.release([receipt], delay=20, states={receipt: BOTH})

    assert broker.dequeue(wait=0) == []
    assert (broker.queue_size(), broker.lock_size()) == (0, 1)
    let_pass(broker, 21)
    again = take_one(broker, wait=0)
    assert (again.attempt, again.state) == (2, BOTH)


@of_serving
@of_both_sorts
def test_a_release_with_a_state_wakes_who_waits(broker, peer, in_thread, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id
    taken = in_thread(lambda: (peer.dequeue(wait=30), peer.close())[0])

    broker.release([receipt], delay=LATER, states={receipt: BOTH})

    assert [each.state for each in taken()] == [BOTH]


@of_serving
@of_both_sorts
@of_each_return
def test_what_is_kept_while_a_task_runs_comes_with_each_later_delivery(
    broker, peer, put_one, come_again
):
    put_one(broker, "a")
    first = take_one(broker).ack_id

    assert broker.keep_state({first: BOTH}) == set()

    for _ in range(2):
        come_again(broker, first)
        again = take_one(peer)
        assert (str_of(again.payload), again.state) == ("a", BOTH)
        first = again.ack_id


@of_serving
@of_both_sorts
def test_keeping_a_state_changes_neither_lease_nor_receipt(broker, peer, put_one):
    put_one(broker, "a")
    first = take_one(broker).ack_id

    broker.keep_state({first: BOTH})

    assert peer.dequeue(wait=0) == []
    assert str_of(broker.read(first)) == "a"
    assert broker.lock_size() == 1
    let_pass(broker, LEASE + 1)
    assert take_one(broker).attempt == 2
    assert broker.acknowledge(first) is False


@of_serving
@of_both_sorts
def test_an_empty_text_changes_nothing_and_another_replaces_what_was_kept(broker, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id

    broker.keep_state({receipt: attempts_text("one")})
    broker.keep_state({receipt: KeptState(position="far")})
    broker.release([receipt], states={receipt: attempts_text("two")})

    assert take_one(broker).state == KeptState("two", "far")


@of_serving
@of_both_sorts
def test_stale_receipts_keep_nothing_and_are_told(broker, put_one):
    put_one(broker, "a")
    old = take_one(broker).ack_id
    broker.release([old])
    new = take_one(broker).ack_id

    assert broker.keep_state({old: BOTH, new: attempts_text("new")}) == {old}
    assert broker.release([old], states={old: BOTH}) == {old}
    let_pass(broker, LEASE + 1)
    again = take_one(broker)
    assert again.state == attempts_text("new")
    broker.acknowledge(again.ack_id)
    assert broker.keep_state({again.ack_id: BOTH}) == {again.ack_id}


@of_serving
def test_each_of_many_deliveries_has_a_state_of_its_own(broker):
    broker.enqueue_many("abc")
    put(broker, "d"), put(broker, "e")
    receipts = {str_of(each.payload): each.ack_id for each in broker.dequeue(9, wait=0)}

    assert broker.keep_state({}) == set()
    assert broker.keep_state({receipts[n]: attempts_text(n) for n in "ad"}) == set()
    states = {receipts[n]: KeptState(position=n) for n in "abde"}
    assert broker.release(receipts.values(), states=states) == set()

    assert take_states(broker) == {
        "a": KeptState("a", "a"),
        "b": KeptState("", "b"),
        "c": None,
        "d": KeptState("d", "d"),
        "e": KeptState("", "e"),
    }


@of_serving
@of_both_sorts
def test_a_text_that_is_too_long_is_not_kept_and_what_was_there_stays(broker, put_one):
    put_one(broker, "a")
    receipt, longest = take_one(broker).ack_id, "x" * MAX_STATE_LENGTH

    broker.keep_state({receipt: KeptState("one", longest)})
    broker.keep_state({receipt: KeptState(longest + "y", "far")})
    broker.release([receipt], states={receipt: KeptState(position=longest + "y")})

    assert take_one(broker).state == KeptState("one", "far")


@of_serving
@of_both_sorts
def test_the_longest_texts_are_kept_whole(broker, put_one):
    put_one(broker, "a")
    receipt, state = (
        take_one(broker).ack_id,
        KeptState(*("xy"[n] * MAX_STATE_LENGTH for n in (0, 1))),
    )

    broker.release([receipt], states={receipt: state})

    assert take_one(broker).state == state


@of_serving
@of_both_sorts
def test_a_state_may_have_any_characters(broker, put_one):
    put_one(broker, "a")
    receipt, state = take_one(broker).ack_id, KeptState(ODD_TEXT, ODD_TEXT[::-1])

    broker.keep_state({receipt: state})
    broker.release([receipt])

    assert take_one(broker).state == state


@of_serving
@of_both_sorts
def test_a_state_that_is_kept_does_not_cancel_a_task(broker, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id

    broker.keep_state({receipt: KeptState("one", cancelled="mark")})
    broker.release([receipt], states={receipt: KeptState(cancelled="mark")})

    assert take_one(broker).state == attempts_text("one")


@of_serving
@of_both_sorts
@pytest.mark.parametrize("end", ENDS)
def test_a_state_goes_with_its_task(broker, put_one, end):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id
    broker.release([receipt], states={receipt: BOTH})

    end(broker)

    assert broker.list_tasks() == []
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    put_one(broker, "a")
    assert take_one(broker).state is None


@of_serving
@of_both_sorts
def test_a_purge_leaves_the_states_of_leased_tasks(broker, put_one):
    put_one(broker, "a")
    receipt = take_one(broker).ack_id
    broker.keep_state({receipt: BOTH})

    broker.purge_queue()

    broker.release([receipt])
    assert take_one(broker).state == BOTH


@of_serving
@of_both_sorts
def test_lists_of_tasks_show_what_is_kept(broker, peer, put_one):
    put_one(broker, "a")
    put_one(broker, "b")
    receipts = {str_of(each.payload): each.ack_id for each in broker.dequeue(9, wait=0)}

    broker.keep_state({receipts["a"]: BOTH})

    assert {str_of(each.payload): each.kept for each in peer.list_tasks()} == {"a": BOTH, "b": None}
    broker.release([receipts["a"]], delay=20)
    (delayed,) = peer.list_tasks("delayed")
    assert delayed.kept == BOTH


@of_serving
def test_a_task_that_is_found_shows_what_is_kept(broker):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id
    assert broker.find(task_id).kept is None

    broker.release([receipt], states={receipt: BOTH})

    assert broker.find(task_id).kept == BOTH


@of_serving
def test_a_task_keeps_its_terms_beside_its_state(broker):
    task_id = put(broker, "kept", unique=KEY, priority=-5, expires_in=1000)
    receipt = take_one(broker).ack_id
    put(broker, "low", priority=-50)

    broker.release([receipt], states={receipt: BOTH})

    assert call(broker)[:2] == (task_id, False)
    taken = broker.dequeue(9, wait=0)
    assert payload_texts(taken) == ["kept", "low"]
    assert 900 < taken[0].expires_in <= 1000


@of_serving
def test_a_task_that_is_replaced_loses_its_state(broker):
    first = put(broker, "first", unique=KEY)
    receipt = take_one(broker).ack_id
    broker.release([receipt], delay=20, states={receipt: BOTH})
    found = call(broker)

    assert broker.replace_task(found.version, "second", make_terms(task_id=first, unique=KEY))

    again = take_one(broker)
    assert (str_of(again.payload), again.attempt, again.state) == ("second", 1, None)


@of_serving
def test_plain_tasks_with_a_state_are_taken_beside_those_without(broker):
    broker.enqueue_many("abc")
    receipts = [each.ack_id for each in broker.dequeue(2, wait=0)]
    broker.release(receipts, states={receipts[0]: BOTH})
    put_plain(broker, "d")

    assert broker.queue_size() == 4
    assert take_states(broker) == {"a": BOTH, "b": None, "c": None, "d": None}
    assert broker.lock_size() == 4
