from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from django_q.rollups.short_runs import ShortRuns, merge_sent

STARTED = datetime(2026, 12, 1, tzinfo=timezone.utc)


def sent(*packages, began=True):
    """Count the runs of packages, two seconds each, as a worker does, and give what it sends."""
    runs = ShortRuns()
    for each in packages:
        runs.add(each, time.monotonic() - 2 if began else None)
    return runs.sent()


def package(func="shop.pack", **changes):
    ended = {"started": STARTED, "stopped": STARTED + timedelta(seconds=5)}
    return {"func": func, **ended, **changes}


@pytest.mark.parametrize("number", [1, 2, 31, 32, 100])
def test_all_runs_are_counted_and_those_that_are_timed_stand_for_the_others(number):
    counts = {}

    merge_sent(counts, "mail", sent(*[package()] * number))

    found = counts["mail", "shop.pack"]
    assert (found.runs, found.failed) == (number, 0)
    assert found.run.count == found.wait.count == number
    assert found.run.quantile(0.5) == pytest.approx(2, rel=0.1)
    assert found.wait.quantile(0.5) == pytest.approx(3, rel=0.1)


def test_functions_in_turn_are_all_timed():
    counts = {}

    merge_sent(counts, "mail", sent(*[package("a"), package("b")] * 100))

    assert [(each.runs, each.run.count > 60) for each in counts.values()] == [(100, True)] * 2


def test_messages_of_several_workers_add_up():
    counts = {}

    merge_sent(counts, "mail", sent(package(), package(sum)))
    merge_sent(counts, "mail", sent(package()))

    assert {func: each.runs for (_queue, func), each in counts.items()} == {
        "shop.pack": 2,
        "builtins.sum": 1,
    }


def test_what_has_not_run_has_no_times():
    counts = {}

    merge_sent(counts, "mail", sent(package(), began=False))

    found = counts["mail", "shop.pack"]
    assert (found.runs, found.run.count, found.wait.count) == (1, 0, 0)


def test_nothing_is_sent_of_no_runs():
    assert sent() == ()


def test_a_package_that_can_not_be_counted_stops_no_worker():
    counts = {}

    merge_sent(counts, "mail", sent({}, package(started="then"), package()))

    assert counts["mail", "shop.pack"].runs == 2
