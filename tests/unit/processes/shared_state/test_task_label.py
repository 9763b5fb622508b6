"""Labels of tasks that run: what is written is read, as far as there is room."""

from __future__ import annotations

from datetime import datetime, timezone
from multiprocessing.sharedctypes import RawArray

import pytest

from django_q.processes.shared_state.slot import SLOT_BYTES, Slot
from django_q.processes.shared_state.task_label import read_label, task_label

MOMENT = datetime(2026, 5, 1, tzinfo=timezone.utc)


def read_back(name="a-name", func="shop.send", **package):
    """Write the label of a task into a slot, and read it from there."""
    slot = Slot(RawArray("B", SLOT_BYTES))
    slot.take_batch([("a", 1)])
    slot.start_decoding(0, 1.0, None)
    slot.set_label(task_label({"id": "1" * 32, "started": MOMENT, **package}, name, func))
    return read_label(slot.current_label)


def test_what_is_written_is_read():
    assert read_back(group="mail", attempt=3) == {
        "id": "1" * 32,
        "name": "a-name",
        "func": "shop.send",
        "group": "mail",
        "attempt": 3,
        "since": MOMENT.timestamp(),
        "chain_started": MOMENT.timestamp(),
        "is_item": False,
        "iter_group": "",
    }


def test_what_an_order_is_asked_for_is_read():
    read = read_back(group="whole", iter_count=3, iter_group="mail", chain_started=5.5)

    assert (read["chain_started"], read["is_item"], read["iter_group"]) == (5.5, True, "mail")


def test_a_task_without_options_is_in_its_first_attempt_and_has_no_group():
    read = read_back()

    assert (read["group"], read["attempt"]) == ("", 1)


@pytest.mark.parametrize("started", [None, "yesterday", datetime.min])
def test_a_time_that_is_none_does_no_harm(started):
    assert read_back(started=started)["since"] == 0


def test_a_tab_in_a_text_does_not_begin_another_field():
    read = read_back(id="a\tb", group="c\td")

    assert (read["id"], read["group"], read["name"]) == ("a\\tb", "c\\td", "a-name")


def test_texts_that_are_too_long_are_cut_at_the_end():
    read = read_back(name="n" * 300, func="ö" * 600)

    assert (read["id"], read["name"]) == ("1" * 32, "n" * 300)
    assert 0 < len(read["func"]) < 600
