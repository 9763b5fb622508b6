"""Which of two releases is the later one."""

from __future__ import annotations

import json

import pytest

from django_q.models import ScheduleSource
from django_q.scheduling.declared.release_order import (
    MAX_SUPERSEDED,
    InvalidRelease,
    is_older,
    release_number,
    supersede,
)


def source(**values) -> ScheduleSource:
    """Make the row of a project, of whose releases "b" is the last and "a" was before."""
    given = {"project": "p", "fingerprint": "b", "superseded": '["a"]'}
    return ScheduleSource(**(given | values))


@pytest.mark.parametrize(
    ("release", "number"),
    [
        *((None, None), ("", None), (7, (7,)), ("7", (7,)), (" 1.10 ", (1, 10)), (0, (0,))),
        *(("2026.11.30", (2026, 11, 30)), ("2.0", (2,))),
    ],
)
def test_a_release_is_numbers(release, number):
    assert release_number(release) == number


@pytest.mark.parametrize("release", ["v2", "1.x", "1.", "3f2c1", True, 1.5 + 1j])
def test_a_release_that_can_not_be_compared_is_refused(release):
    with pytest.raises(InvalidRelease, match="must be a number, or numbers with dots"):
        release_number(release)


@pytest.mark.parametrize(
    ("last", "own", "fingerprint", "older"),
    [
        (None, None, "a", True),
        (None, None, "b", False),
        (None, None, "c", False),
        ("5", 4, "c", True),
        ("5", 6, "a", False),
        ("5", 5, "a", True),
        ("5", 5, "c", False),
        (None, 1, "a", False),  # the first that has a number
        ("5", None, "a", True),
        ("5", None, "c", False),
    ],
)
def test_the_order_is_that_of_numbers_and_then_of_what_was_replaced(last, own, fingerprint, older):
    assert is_older(source(release=last), fingerprint, own) is older


def test_what_is_last_again_is_not_replaced_any_more():
    row = source()

    supersede(row, "a", None)

    assert (row.fingerprint, json.loads(row.superseded)) == ("a", ["b"])


def test_the_fingerprints_that_are_kept_are_limited():
    row = source()
    for number in range(MAX_SUPERSEDED * 2):
        supersede(row, str(number), None)

    assert len(json.loads(row.superseded)) == MAX_SUPERSEDED
