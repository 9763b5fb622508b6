"""What every broker promises of tasks that are cancelled while others wait, or take."""

from __future__ import annotations

import time

import pytest

from django_q.brokers.contract.orders import REMOVED
from tests.integration.brokers.contract.kinds import (
    make_terms,
    of_serving,
    put,
    str_of,
    take_one,
)
from tests.integration.brokers.contract.steering import (
    MARK,
    MARKED,
    hold_by_limit,
    hold_by_pause,
)


def assert_wakes(peer, in_thread, order):
    """Check that who waits for a task gets a marked one as soon as an order is given."""
    taken = in_thread(lambda: (peer.dequeue(wait=30), time.monotonic(), peer.close())[:2])
    time.sleep(0.2)  # until the other blocks

    start = time.monotonic()
    order()

    deliveries, end = taken()
    assert [each.state for each in deliveries] == [MARKED]
    assert end - start < 15


@of_serving
def test_a_cancel_wakes_who_waits(broker, peer, in_thread):
    task_id = put(broker, "a", delay=500)

    assert_wakes(peer, in_thread, lambda: broker.cancel_task(task_id, MARK))


@of_serving
@pytest.mark.parametrize("hold", [hold_by_pause, hold_by_limit])
def test_a_cancel_wakes_who_is_held(broker, peer, in_thread, hold):
    task_id = put(broker, "a")
    hold(broker)

    assert_wakes(peer, in_thread, lambda: broker.cancel_task(task_id, MARK))


@of_serving
@pytest.mark.parametrize("hold", [hold_by_pause, hold_by_limit])
def test_a_release_of_a_marked_task_wakes_who_is_held(broker, peer, in_thread, hold):
    task_id = put(broker, "a")
    receipt = take_one(broker).ack_id
    broker.cancel_task(task_id, MARK)
    hold(broker)

    assert_wakes(peer, in_thread, lambda: broker.release([receipt], delay=500))


@of_serving
def test_a_task_that_is_said_to_be_removed_is_never_delivered_without_its_mark(
    broker, peer, in_thread
):
    ids = {str(n): f"task-to-cancel-{n}" for n in range(150)}
    broker.enqueue_tasks((name, make_terms(task_id=task_id)) for name, task_id in ids.items())

    def consume():
        states = {}
        while len(states) < len(ids) and (taken := peer.dequeue(3, wait=30)):
            states |= {ids[str_of(each.payload)]: each.state for each in taken}
        peer.close()
        return states

    taken = in_thread(consume)
    answers = {task_id: broker.cancel_task(task_id, MARK) for task_id in reversed(ids.values())}

    states = taken()
    assert states.keys() == answers.keys()
    for task_id, answer in answers.items():
        assert states[task_id] == (MARKED if answer == REMOVED else None)
