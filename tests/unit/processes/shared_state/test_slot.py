"""What a worker writes down, and the sentinel reads."""

from __future__ import annotations

from multiprocessing import Value

import pytest

from django_q.processes.shared_state.slot import (
    SLOT_BATCH_BYTES,
    SlotField,
    Slots,
    TimerSlotAdapter,
    WorkerState,
)


@pytest.fixture
def slot():
    """Make the slot of one worker."""
    return Slots(1)[0]


def test_what_is_in_hand_is_read_as_it_was_written(slot):
    slot.take_batch([("a.1", 1), ("b.7", 3)])
    slot.start_decoding(1, 12.5, None)
    slot.start_task(1, 12.5, 60)

    hand = slot.read()

    assert slot.state is WorkerState.BUSY
    assert hand.batch == [("a.1", 1), ("b.7", 3)]
    assert hand.running == ("b.7", 3)
    assert (hand.since, slot.deadline) == (12.5, 72.5)


def test_a_package_that_is_being_read_has_not_started(slot):
    slot.take_batch([("a", 1), ("b", 1)])
    slot.start_decoding(0, 1.0, 30)
    assert slot.read().running == ("a", 1)
    assert not slot.read().is_decoded
    assert slot.deadline == 31

    slot.start_task(0, 1.0, 60)
    assert slot.read().is_decoded
    assert slot.deadline == 61

    slot.start_decoding(1, 2.0, None)
    assert slot.read().running == ("b", 1)
    assert not slot.read().is_decoded


def test_nothing_is_in_hand_when_the_batch_is_finished(slot):
    slot.take_batch([("a.1", 1)])
    slot.start_decoding(0, 1, None)
    slot.start_task(0, 1, None)
    slot.finish_batch(1)

    assert slot.state is WorkerState.IDLE
    assert slot.read().batch == []
    assert slot.read().running is None
    assert slot.finished == 1


def test_what_was_put_back_is_in_hand_no_more(slot):
    slot.take_batch([("a", 1), ("b", 1), ("c", 1)])
    slot.start_decoding(0, 1, None)
    slot.start_task(0, 1, None)

    slot.truncate_batch(1)

    assert slot.read().batch == [("a", 1)]


def test_a_list_that_was_not_written_to_its_end_is_not_read(slot):
    slot.take_batch([("a", 1)])
    slot.numbers[SlotField.SEQUENCE] += 1  # as a worker leaves it that is killed meanwhile

    assert slot.read().batch == []


def test_receipts_that_do_not_fit_are_left_out(slot):
    slot.take_batch([("x" * (SLOT_BATCH_BYTES // 10), number) for number in range(16)])

    assert [number for _, number in slot.read().batch] == list(range(8))


def test_a_label_is_for_the_task_that_runs(slot):
    slot.take_batch([("a", 1), ("b", 1)])
    slot.start_decoding(0, 1.0, None)
    slot.start_task(0, 1.0, None)
    slot.set_label("name\tfunction")
    assert slot.current_label == "name\tfunction"

    slot.start_decoding(1, 2.0, None)

    slot.start_task(1, 2.0, None)

    assert slot.current_label == ""


def test_a_new_worker_finds_its_slot_empty_and_what_was_counted(slot):
    slot.take_batch([("a", 1)])
    slot.finish_batch(1)
    slot.take_batch([("b", 1)])

    slot.reset()

    assert slot.state is WorkerState.STARTING
    assert slot.read().batch == []
    assert slot.finished == 1


def test_slots_tell_how_many_workers_wait():
    slots = Slots(3)
    slots[0].state = WorkerState.IDLE
    slots[1].take_batch([("a", 1)])

    assert slots.idle == 1
    assert len(slots) == 3


@pytest.mark.parametrize(
    ("state", "value"),
    [(WorkerState.IDLE, -1), (WorkerState.RECYCLED, -2), (WorkerState.TIMED_OUT, 0)],
)
def test_a_timer_shows_the_state_as_the_predecessors_do(state, value):
    timer = Value("f", 9)

    TimerSlotAdapter(timer).finish_batch(1, state)

    assert timer.value == value


def test_a_timer_shows_the_time_limit():
    timer = Value("f", -1)

    TimerSlotAdapter(timer).start_task(0, 0, 30)
    assert timer.value == 30

    TimerSlotAdapter(timer).start_task(0, 0, None)
    assert timer.value == -1
