"""What every broker promises of tasks that are cancelled, by the marks that it sets on them."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import CANCEL_ORDER, REMOVED, REQUESTED
from tests.integration.brokers.contract.key_ends import ENDS
from tests.integration.brokers.contract.kinds import (
    KEY,
    LEASE,
    absolute,
    make_terms,
    of_serving,
    payload_texts,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.brokers.contract.steering import (
    MARK,
    MARKED,
    ODD_TEXT,
    OTHER_MARK,
    hold_by_limit,
    hold_by_pause,
    of_each_hold,
    of_each_return,
    take_states,
)


@of_serving
def test_a_broker_says_that_it_knows_cancelling(broker):
    assert CANCEL_ORDER in broker.obeys


@of_serving
def test_a_task_that_waits_is_delivered_with_its_mark_to_be_ended(broker, peer):
    task_id = put(broker, "a")

    assert peer.cancel_task(task_id, MARK) == REMOVED

    delivery = take_one(broker)
    assert (str_of(delivery.payload), delivery.attempt) == ("a", 1)
    assert delivery.state == MARKED
    assert broker.acknowledge(delivery.ack_id) is True
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@of_serving
def test_a_task_that_is_not_there_is_not_found(broker):
    task_id = put(broker, "a")
    broker.enqueue("plain")
    broker.acknowledge_many([each.ack_id for each in broker.dequeue(9, wait=0)])
    broker.enqueue("plain")

    assert broker.cancel_task(task_id, MARK) is None
    assert broker.cancel_task("unknown", MARK) is None
    assert broker.cancel_task("", MARK) is None
    assert take_states(broker) == {"plain": None}


@of_serving
def test_a_task_of_another_queue_is_not_found(broker):
    other = get_broker("other")
    other.delete_queue()
    task_id = put(other, "a")

    assert broker.cancel_task(task_id, MARK) is None

    assert take_one(other).state is None
    other.delete_queue()
    other.close()


@of_serving
@of_each_hold
def test_marked_tasks_are_taken_at_once_whatever_their_terms_and_what_holds_the_queue(broker, hold):
    put(broker, "other", priority=50)
    terms = [{}, {"delay": 500}, absolute(500_000), {"priority": -100}, {"unique": KEY}]
    ids = [put(broker, str(number), **options) for number, options in enumerate(terms)]
    hold(broker)

    assert [broker.cancel_task(task_id, MARK) for task_id in ids] == [REMOVED] * len(ids)

    taken = broker.dequeue(len(ids), wait=0)
    assert sorted(payload_texts(taken)) == ["0", "1", "2", "3", "4"]
    assert {each.state for each in taken} == {MARKED}
    assert broker.is_held is False


@of_serving
def test_a_marked_task_is_one_that_waits(broker):
    task_id = put(broker, "a", delay=500)

    broker.cancel_task(task_id, MARK)

    found = broker.find(task_id)
    assert (found.state, found.due, found.kept) == ("waiting", None, MARKED)
    assert (broker.queue_size(), broker.lock_size()) == (1, 0)
    assert broker.count_tasks()[:3] == (1, 0, 0)
    assert [each.task_id for each in broker.list_tasks("waiting")] == [task_id]


@of_serving
def test_marked_tasks_are_taken_before_all_others(broker):
    broker.enqueue_many(f"plain {n}" for n in range(5))
    ids = [put(broker, f"marked {n}", priority=-n) for n in range(20)]
    put(broker, "urgent", priority=100)
    lost = take_one(broker)
    broker.extend([lost.ack_id], 0)

    for task_id in ids:
        broker.cancel_task(task_id, MARK)

    first = [str_of(take_one(broker, wait=0).payload) for _ in ids]
    assert sorted(first) == sorted(f"marked {n}" for n in range(20))
    assert broker.queue_size() == 6


@of_serving
def test_one_take_gives_marked_tasks_and_others(broker):
    broker.enqueue("plain")
    put(broker, "termed")
    task_id = put(broker, "marked", delay=50)
    broker.cancel_task(task_id, MARK)

    taken = broker.dequeue(9, wait=0)

    assert payload_texts(taken)[0] == "marked"
    assert [each.state for each in taken] == [MARKED, None, None]
    assert set(payload_texts(taken)) == {"plain", "termed", "marked"}


@of_serving
def test_a_task_that_is_leased_may_end_as_it_likes(broker, peer):
    task_id = put(broker, "a")
    delivery = take_one(broker)

    assert peer.cancel_task(task_id, MARK) == REQUESTED

    assert peer.dequeue(wait=0) == []
    assert broker.lock_size() == 1
    assert broker.acknowledge(delivery.ack_id) is True
    assert peer.cancel_task(task_id, MARK) is None


@of_serving
@pytest.mark.parametrize("hold", [hold_by_pause, hold_by_limit])
@of_each_return
def test_a_task_that_was_leased_comes_again_with_its_mark(broker, hold, come_again):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id
    broker.cancel_task(task_id, MARK)
    hold(broker)

    come_again(broker, receipt)

    assert take_one(broker, wait=0).state == MARKED


@of_serving
@of_each_hold
def test_a_marked_task_that_is_released_for_later_comes_at_once(broker, hold):
    task_id = put(broker, "a", priority=-5)
    receipt = take_one(broker).ack_id
    put(broker, "other")
    broker.cancel_task(task_id, MARK)
    hold(broker)

    broker.release([receipt], delay=500, states={receipt: KeptState("attempts")})

    delivery = take_one(broker, wait=0)
    assert delivery.state == KeptState("attempts", cancelled=MARK)
    assert delivery.attempt == 2


@of_serving
@of_each_return
def test_a_mark_comes_with_each_later_delivery(broker, come_again):
    task_id = put(broker, "a")
    broker.cancel_task(task_id, MARK)

    for _ in range(3):
        delivery = take_one(broker, wait=0)
        assert delivery.state == MARKED
        come_again(broker, delivery.ack_id)


@of_serving
def test_a_task_that_is_released_for_later_never_begins_when_cancelled(broker):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id
    broker.release([receipt], delay=500, states={receipt: KeptState("attempts", "position")})

    assert broker.cancel_task(task_id, MARK) == REMOVED

    assert take_one(broker, wait=0).state == KeptState("attempts", "position", MARK)


@of_serving
def test_a_task_whose_lease_is_lost_may_end_as_it_likes(broker):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id
    let_pass(broker, LEASE + 1)

    assert broker.cancel_task(task_id, MARK) == REQUESTED

    assert broker.acknowledge(receipt) is True
    assert broker.dequeue(wait=0) == []


@of_serving
def test_a_task_whose_lease_was_lost_before_it_was_cancelled_comes_with_its_mark(broker):
    task_id = put(broker, "a", priority=-5)
    take_one(broker)
    put(broker, "other")
    let_pass(broker, LEASE + 1)
    broker.pause()

    broker.cancel_task(task_id, MARK)

    assert take_one(broker, wait=0).state == MARKED


@of_serving
def test_a_second_cancel_keeps_the_first_mark(broker):
    task_id = put(broker, "a", delay=50)
    broker.cancel_task(task_id, MARK)

    assert broker.cancel_task(task_id, OTHER_MARK) == REMOVED
    delivery = take_one(broker)
    assert broker.cancel_task(task_id, OTHER_MARK) == REQUESTED
    broker.release([delivery.ack_id])

    assert delivery.state == MARKED
    assert take_one(broker).state == MARKED


@of_serving
def test_a_mark_may_have_any_characters(broker):
    task_id = put(broker, "a")

    broker.cancel_task(task_id, ODD_TEXT)

    assert take_one(broker).state == KeptState(cancelled=ODD_TEXT)


@of_serving
def test_a_mark_and_a_state_do_not_touch_each_other(broker):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id

    broker.keep_state({receipt: KeptState(position="one")})
    broker.cancel_task(task_id, MARK)
    broker.keep_state({receipt: KeptState(position="two")})
    broker.release([receipt], states={receipt: KeptState("attempts")})

    assert take_one(broker).state == KeptState("attempts", "two", MARK)


@of_serving
@pytest.mark.parametrize("end", ENDS)
def test_a_mark_goes_with_its_task(broker, end):
    terms = make_terms()
    broker.enqueue_task("a", terms)
    broker.cancel_task(terms.task_id, MARK)

    end(broker)

    assert broker.cancel_task(terms.task_id, MARK) is None
    assert broker.list_tasks() == []
    broker.enqueue_task("again", terms)
    assert take_states(broker) == {"again": None}
