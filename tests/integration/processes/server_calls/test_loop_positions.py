"""The sentinel saves the positions of loops: those that have changed, together, signed."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.kept_state import KeptState
from django_q.processes.server_calls.loop_positions import (
    POSITION_SAVE_INTERVAL,
    LoopPositionSaver,
)
from django_q.processes.shared_state.slot import Slots
from django_q.processes.shared_state.task_label import task_label
from django_q.signing import SignedPackage
from django_q.task_state.position import read_position
from django_q.wire.package import new_package

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True),
]


@pytest.fixture
def slots():
    """Make the slots of three workers."""
    return Slots(3)


@pytest.fixture
def receipts(broker):
    """Take two tasks; their receipts."""
    for number in (1, 2):
        package = new_package("f", (), {}, {}, str(number) * 32)
        broker.enqueue(SignedPackage.dumps(package))
    return [delivery.ack_id for delivery in broker.dequeue(2)]


@pytest.fixture
def calls(broker, monkeypatch):
    """List the receipts of each call that keeps states."""
    made, keep = [], broker.keep_state
    monkeypatch.setattr(
        broker, "keep_state", lambda states: made.append(list(states)) or keep(states)
    )
    return made


def run(slot, receipt, number, since, data=b'{"0":[3]}'):
    """Have a slot say that a task runs whose loop is at a position."""
    slot.take_batch([(receipt, 1)])
    slot.start_decoding(0, since, None)
    slot.start_task(0, since, None)
    slot.set_label(task_label({"id": str(number) * 32}, "a-name", "f"))
    if data:
        slot.set_loop_position(since, data)


def test_positions_of_all_workers_are_saved_together(broker, slots, receipts, calls):
    run(slots[0], receipts[0], 1, 1.0)
    run(slots[1], receipts[1], 2, 1.0, b'{"0":[9,17,"shop.order"]}')
    saver = LoopPositionSaver(broker, slots)

    saver.save(100.0)

    assert calls == [receipts]
    assert saver.due == 100.0 + POSITION_SAVE_INTERVAL
    broker.release(receipts, count=False)
    kept = {}
    for delivery in broker.dequeue(2):
        task_id = SignedPackage.loads(delivery.payload)["id"]
        kept[task_id[0]] = read_position(task_id, delivery.state.position)
    assert kept == {"1": {"0": [3]}, "2": {"0": [9, 17, "shop.order"]}}


def test_only_what_has_changed_is_saved_again(broker, slots, receipts, calls):
    run(slots[0], receipts[0], 1, 1.0)
    run(slots[1], receipts[1], 2, 1.0)
    saver = LoopPositionSaver(broker, slots)
    saver.save(1.0)
    saver.save(2.0)

    slots[1].set_loop_position(1.0, b'{"0":[4]}')
    saver.save(3.0)

    assert calls == [receipts, receipts[1:]]


def test_the_position_of_a_task_that_has_ended_is_not_saved(broker, slots, receipts, calls):
    run(slots[0], receipts[0], 1, 1.0)
    run(slots[0], receipts[1], 2, 2.0, data=b"")

    LoopPositionSaver(broker, slots).save(1.0)

    assert calls == []


def test_an_error_of_the_broker_is_logged_and_the_position_saved_later(
    broker, slots, receipts, monkeypatch, caplog
):
    run(slots[0], receipts[0], 1, 1.0)
    saver = LoopPositionSaver(broker, slots)

    def fail(states):
        raise ConnectionError("as asked")

    with monkeypatch.context() as patch:
        patch.setattr(broker, "keep_state", fail)
        saver.save(1.0)
    assert "positions could not be saved" in caplog.text

    saved = []
    monkeypatch.setattr(broker, "keep_state", saved.append)
    saver.save(2.0)

    assert [list(states) for states in saved] == [receipts[:1]]
    assert isinstance(saved[0][receipts[0]], KeptState)


def test_a_broker_that_keeps_nothing_is_not_asked(broker, slots, receipts, calls, monkeypatch):
    monkeypatch.setattr(type(broker), "keeps_state", False)
    run(slots[0], receipts[0], 1, 1.0)

    LoopPositionSaver(broker, slots).save(1.0)

    assert calls == []
