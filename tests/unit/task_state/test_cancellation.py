"""Marks and notices say who has cancelled something, when and why."""

from __future__ import annotations

import pytest

from django_q.signing import BadSignature
from django_q.task_state.cancellation import (
    order_text,
    read_cancellation,
    read_notice,
    sign_cancellation,
    sign_notice,
)
from django_q.task_state.signed_text import CANCELLED, sign_text

AT = 1767323045.9
TEXT = "cancelled by anna at 2026-01-02 03:04:05 UTC"


def test_a_mark_is_read_as_who_and_when():
    mark = sign_cancellation("a" * 32, "anna", AT)

    assert read_cancellation("a" * 32, mark) == TEXT


def test_a_reason_stands_behind():
    assert read_cancellation("a", sign_cancellation("a", "anna", AT, "too late")) == (
        f"{TEXT}: too late"
    )


def test_the_mark_of_a_task_is_none_of_another():
    mark = sign_cancellation("a", "anna", AT)

    with pytest.raises(BadSignature):
        read_cancellation("b", mark)


def test_a_notice_is_read_under_its_key_and_in_its_queue_alone():
    text = sign_notice("default", "task:a", "anna", AT, "too late")

    assert read_notice("default", "task:a", text) == f"{TEXT}: too late"
    for list_key, key in (("default", "queue"), ("other", "task:a")):
        with pytest.raises(BadSignature):
            read_notice(list_key, key, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "cancelled"),
        ([], "cancelled"),
        ({"at": "soon"}, "cancelled"),
        ({"at": 1e300, "by": None}, "cancelled"),
        ({"at": float("nan"), "by": 7, "new": 1}, "cancelled by 7"),
    ],
)
def test_odd_values_are_left_out(value, text):
    assert order_text(value) == text
    assert read_cancellation("a", sign_text(CANCELLED, "a", value)) == text


def test_long_texts_are_cut_and_control_characters_are_written_out():
    text = read_cancellation("a", sign_cancellation("a", "b" * 5000, AT, "\x1b[31m" + "r" * 5000))

    assert len(text) < 400
    assert text.isprintable()
