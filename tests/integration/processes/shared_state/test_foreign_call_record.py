"""What the next process learns of the code over which others have ended."""

from __future__ import annotations

import pytest

from django_q.processes.shared_state.foreign_call_record import (
    CURRENT_CODE_BYTES,
    MAX_PAST_CRASHES,
    ForeignCallRecord,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_next_process_learns_over_which_tasks_others_have_ended():
    record = ForeignCallRecord()

    for number in range(MAX_PAST_CRASHES + 5):
        assert len(record.crash_causes()) == min(number, MAX_PAST_CRASHES)
        record.enter(str(number), "hook\x1b", "na\nme")
        assert record.as_text() == "hook\\x1b on [na\\nme]"

    assert record.crash_causes()[str(MAX_PAST_CRASHES + 4)] == "hook\\x1b"
    assert record.as_text() == ""


def test_long_names_fit():
    record = ForeignCallRecord()
    for number in range(MAX_PAST_CRASHES):
        record.enter(str(number) * 16, "\udc80é" * 2000, "名" * 2000)
        record.crash_causes()

    record.enter("x" * 32, "y" * 5000, "z" * 5000)

    assert record.crash_causes()["x" * 32].startswith("yyy")
    assert CURRENT_CODE_BYTES > 0
