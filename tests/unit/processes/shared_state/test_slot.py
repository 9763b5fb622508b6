"""What a worker writes down, and the sentinel reads."""

from __future__ import annotations

import pytest

from django_q.processes.shared_state.slot import (
    SLOT_BATCH_BYTES,
    Slot,
    Slots,
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
    slot.batch.header[0] += 1  # as a worker leaves it that is killed meanwhile

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


def run_task(slot, since):
    """Have the slot say that a task runs."""
    slot.take_batch([("a", 1)])
    slot.start_decoding(0, since, None)
    slot.start_task(0, since, None)


def test_progress_is_of_the_task_that_runs(slot):
    run_task(slot, 1.0)
    assert slot.progress is None

    slot.set_progress(1.0, 5, 10, "reading")
    assert slot.progress == (5, 10, "reading")

    slot.set_progress(1.0, 6, 10)
    assert slot.progress == (6, 10, "reading")

    run_task(slot, 2.0)
    assert slot.progress is None

    slot.set_progress(2.0, 1, 2)
    assert slot.progress == (1, 2, "")


def test_a_position_of_loops_is_of_the_task_that_runs(slot):
    run_task(slot, 1.0)
    slot.set_loop_position(1.0, b"{}")
    assert slot.loop_position == b"{}"

    run_task(slot, 2.0)

    assert slot.loop_position == b""


def test_an_order_cancels_the_task_that_began_then_and_no_other(slot):
    run_task(slot, 1.0)

    slot.cancel(1.0)

    assert slot.is_cancelled(1.0)
    assert not slot.is_cancelled(2.0)


def test_nothing_is_told_of_a_worker_that_has_begun_no_task(slot):
    slot.take_batch([("a", 1)])

    assert (slot.current_label, slot.progress, slot.loop_position) == ("", None, b"")


def test_the_texts_of_a_slot_do_not_overlap(slot):
    run_task(slot, 1.0)
    for region, letter in zip((slot.batch, slot.label, slot.note, slot.loops), "abcd", strict=True):
        region.write_cut(letter * region.size)

    texts = [region.read() for region in (slot.batch, slot.label, slot.note, slot.loops)]

    assert [set(text.decode()) for text in texts] == [{"a"}, {"b"}, {"c"}, {"d"}]
    assert [len(text) for text in texts] == [8192, 1024, 200, 512]


class WatchedNumbers:
    """The numbers of a slot; ``step`` is called behind each read or write of one."""

    def __init__(self, numbers, step):
        self.numbers, self.step = numbers, step

    def __getitem__(self, index):
        value = self.numbers[index]
        self.step()
        return value

    def __setitem__(self, index, value):
        self.numbers[index] = value
        self.step()


def run_all_of(slot, since, position):
    """Have the slot say all of a task that it can."""
    slot.start_decoding(position, since, 1)
    slot.start_task(position, since, 1)
    slot.set_label(f"label {since}")
    slot.set_progress(since, since, since, f"note {since}")
    slot.set_progress(since, -since, -since, f"later {since}")
    slot.set_loop_position(since, f"loops {since}".encode())


def test_what_is_read_between_two_writes_is_of_one_task(slot):
    slot.take_batch([(1.0, 1), (2.0, 1)])
    run_all_of(slot, 1.0, 0)
    reader, seen = Slot(slot.memory), []

    def look():
        held = reader.read()
        if held.since:
            assert held.running == (held.since, 1)
            assert reader.deadline in (0, held.since + 1)
        if progress := reader.progress:
            seen.append(progress)
            text = "note" if progress[0] > 0 else "later"
            assert progress[:2] == (progress[0], progress[0])
            assert progress[2] == f"{text} {abs(progress[0])}"

    slot.numbers = WatchedNumbers(slot.numbers, look)
    run_all_of(slot, 2.0, 1)

    assert set(seen) == {(2, 2, "note 2.0"), (-2, -2, "later 2.0")}


@pytest.mark.parametrize("reads", range(1, 12))
def test_what_is_read_while_the_next_task_begins_is_of_one_task(slot, reads):
    left = [0]

    def count():
        left[0] -= 1
        if left[0] == 0:
            run_all_of(slot, 2.0, 1)

    for read in ("read", "current_label", "progress", "loop_position"):
        slot.finish_batch(2)
        slot.take_batch([(1.0, 1), (2.0, 1)])
        run_all_of(slot, 1.0, 0)
        reader = Slot(slot.memory)
        reader.numbers = WatchedNumbers(reader.numbers, count)
        left[0] = reads

        found = getattr(reader, read)
        found = found() if callable(found) else found

        if read == "read":
            assert found.running == (found.since, 1)
        else:
            assert found in (
                *(None, "", b"", "label 1.0", "label 2.0", b"loops 1.0", b"loops 2.0"),
                *((-1, -1, "later 1.0"), (-2, -2, "later 2.0")),
            )
