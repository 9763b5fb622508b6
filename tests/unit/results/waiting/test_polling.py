"""The one waiting loop."""

from __future__ import annotations

import pytest

from django_q.results.waiting import polling
from django_q.results.waiting.polling import wait_for


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses of the loop, on a clock that only they move."""
    made: list[float] = []

    class Clock:
        monotonic = staticmethod(lambda: sum(made))
        sleep = made.append

    monkeypatch.setattr(polling, "time", Clock)
    return made


def test_what_is_there_is_not_waited_for(pauses):
    assert wait_for(lambda: 5, -1) == 5
    assert pauses == []


@pytest.mark.parametrize("found", [0, "", False, [], ()])
def test_anything_but_none_ends_the_wait(pauses, found):
    assert wait_for(lambda: found, -1) == found


def test_nothing_is_found_in_time(pauses):
    assert wait_for(lambda: None, 0) is None
    assert pauses == []
    assert wait_for(lambda: None, 100) is None
    assert sum(pauses) == pytest.approx(0.1)


def test_pauses_grow_and_stay_short(pauses):
    wait_for(lambda: len(pauses) > 50 or None, -1)

    assert pauses[0] == polling.MIN_RESULT_POLL_SECONDS
    assert sorted(pauses) == pauses
    assert pauses[-1] == polling.MAX_RESULT_POLL_SECONDS


def test_a_last_look_is_taken_when_the_time_is_over(pauses):
    assert wait_for(lambda: "late" if sum(pauses) >= 0.1 else None, 100) == "late"
