"""How the attempts of a task have ended, as it is kept beside its payload."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH
from django_q.signing import BadSignature
from django_q.task_state import attempts as attempts_module
from django_q.task_state.attempts import (
    CUT_MARK,
    MAX_END_TEXT_LENGTH,
    RESULT_KEY,
    Attempts,
    attempts_of,
    cut_text,
    last_attempt_unverified,
    lost_deliveries,
    make_end,
    note_attempts,
    read_attempts,
    sign_attempts,
    with_end,
)

TASK_ID = "5" * 32
#: Characters that JSON writes as six or twelve, and those that a database has no place for.
TEXTS = ["x", "ä", "\U0001f600", "\x00", "\ud800", '"\\\n', "ab\x7f"]


def end(**values: Any) -> dict[str, Any]:
    return {"time": "", "worker": "host:1", "attempt": 1, "exception": "E", "text": "", **values}


def ended(times: int, **values: Any) -> Attempts:
    attempts = Attempts()
    for number in range(1, times + 1):
        attempts = with_end(attempts, end(attempt=number, **values))
    return attempts


def test_what_was_signed_is_read_again():
    attempts = ended(3)

    assert read_attempts(TASK_ID, sign_attempts(TASK_ID, attempts)) == attempts
    assert (attempts.count, [each["attempt"] for each in attempts.ends]) == (3, [1, 2, 3])


def test_nothing_kept_is_no_attempt():
    assert read_attempts(TASK_ID, "") == Attempts((), 0, 0)


def test_the_last_ten_ends_are_kept_and_all_are_counted():
    attempts = ended(25)

    assert attempts.count == 25
    assert [each["attempt"] for each in attempts.ends] == list(range(16, 26))


def test_deaths_of_workers_are_counted_by_themselves():
    attempts = ended(2)

    for name in ("django_q.exceptions.WorkerDied", "ValueError"):
        attempts = with_end(attempts, end(exception=name))

    assert (attempts.count, attempts.deaths) == (4, 1)


def test_those_of_another_task_are_refused():
    text = sign_attempts("6" * 32, ended(1))

    with pytest.raises(BadSignature):
        read_attempts(TASK_ID, text)


@pytest.mark.parametrize("character", TEXTS)
def test_what_is_kept_has_never_more_characters_than_a_broker_keeps(character):
    package = {"success": False, "exception": character * 5000, "worker": character * 5000}
    attempts = Attempts()
    for _ in range(12):
        attempts = with_end(attempts, make_end(package, character * 200_000))

    text = sign_attempts(TASK_ID, attempts)

    assert len(text) <= MAX_STATE_LENGTH
    assert len(read_attempts(TASK_ID, text).ends) == 10


def test_the_oldest_ends_give_way_to_the_result_of_a_success():
    result = "x" * attempts_module.MAX_KEPT_RESULT_LENGTH
    attempts = with_end(ended(9, text="t" * 4000), {**end(exception=""), RESULT_KEY: result})

    kept = read_attempts(TASK_ID, sign_attempts(TASK_ID, attempts))

    assert kept.ends[-1][RESULT_KEY] == result
    assert 1 < len(kept.ends) < 10
    assert kept.count == 10


@pytest.mark.parametrize("character", TEXTS)
@pytest.mark.parametrize("length", [0, 1, 100, 4096, 5000, 50_000])
def test_a_text_is_cut_by_its_length_in_json(character, length):
    text = (character * length)[:length]

    found = cut_text(text, MAX_END_TEXT_LENGTH)

    assert len(json.dumps(found)) - 2 <= MAX_END_TEXT_LENGTH
    assert "\x00" not in found
    found.encode()  # no halves of characters


def test_the_beginning_and_the_end_of_a_text_are_kept():
    text = "ValueError: first" + "x" * 50_000 + "raised here"

    found = cut_text(text, MAX_END_TEXT_LENGTH)

    assert found.startswith("ValueError: first")
    assert found.endswith("raised here")
    assert CUT_MARK in found
    assert len(found) > MAX_END_TEXT_LENGTH - 10


def test_an_end_says_when_where_and_why():
    zone = timezone(timedelta(hours=2))
    package = {
        "success": False,
        "stopped": datetime(2031, 5, 6, 14, 0, tzinfo=zone),
        "exception": "shop.errors.Closed",
        "worker": "host:7",
        "attempt": 3,
    }

    assert make_end(package, "why") == {
        "time": "2031-05-06T12:00:00+00:00",
        "worker": "host:7",
        "attempt": 3,
        "exception": "shop.errors.Closed",
        "text": "why",
    }


@pytest.mark.parametrize("begun", [0.0, -1.0, 1e18, float("nan"), 5, "soon", None])
def test_an_end_says_when_it_began_if_that_is_known(begun):
    package = {"success": True, "stopped": None}

    known = make_end({**package, "begun": 1_750_000_000.5}, "")

    assert known["begun"] == "2025-06-15T15:06:40.500000+00:00"
    assert "begun" not in make_end({**package, "begun": begun}, "")


def test_the_end_of_a_success_has_no_exception():
    assert make_end({"success": True, "exception": "left.over"}, "")["exception"] == ""


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "text",
        [],
        [3],
        {"ends": 3},
        {"ends": [3], "count": -1},
        {"count": "x"},
        {"ends": {}},
    ],
    ids=repr,
)
def test_a_value_that_is_none_counts_as_nothing(monkeypatch, value):
    monkeypatch.setattr(attempts_module, "read_signed_text", lambda *arguments: value)

    assert tuple(read_attempts(TASK_ID, "text"))[1:] == (0, 0)
    assert list(read_attempts(TASK_ID, "text").ends) == []


@pytest.mark.parametrize(
    "odd", [3, "x", {"a": 1}, [object()], object()], ids=lambda odd: type(odd).__name__
)
def test_what_a_receiver_has_put_into_a_package_counts_as_nothing(odd):
    package = {"ends": odd, "ended_count": odd, "deaths": odd, "attempt": 4}

    assert list(attempts_of(package).ends) == []
    assert lost_deliveries(package) == 3


@pytest.mark.parametrize(
    ("recorded", "attempt", "lost"),
    [(0, 1, 0), (0, 2, 1), (1, 2, 0), (1, 3, 1), (4, 5, 0), (4, 9, 4)],
)
def test_a_delivery_is_lost_that_has_ended_unrecorded(recorded, attempt, lost):
    package: dict[str, Any] = {"id": TASK_ID, "attempt": attempt}
    note_attempts(package, sign_attempts(TASK_ID, ended(recorded)) if recorded else "")

    assert lost_deliveries(package) == lost


@pytest.mark.parametrize("text", ["", "x", ":", ":3", ":[]", ":{", ':{"ends": [3]}', "[" * 100_000])
def test_a_text_that_can_not_be_read_names_no_attempt(text):
    assert last_attempt_unverified(text) == 0


def test_the_last_attempt_is_read_without_the_id_of_its_task():
    assert last_attempt_unverified(sign_attempts(TASK_ID, ended(7))) == 7
