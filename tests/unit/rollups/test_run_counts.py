from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from django_q.rollups.run_counts import count_run, count_short_run, merge_packed, packed
from django_q.rollups.sketch import RELATIVE_ERROR

STARTED = datetime(2026, 12, 1, tzinfo=timezone.utc)


def package(**changes):
    ended = {"started": STARTED, "stopped": STARTED + timedelta(seconds=5), "success": True}
    return {"func": "shop.pack", "cluster": "mail", **ended, **changes}


def counted(*packages, seconds=2.0):
    counts = {}
    for each in packages:
        count_run(counts, each, seconds)
    return counts


def test_a_run_is_counted_by_its_queue_and_function_with_its_times():
    counts = counted(package(), package(success=False), package(func="shop.send"))

    assert counts.keys() == {("mail", "shop.pack"), ("mail", "shop.send")}
    found = counts["mail", "shop.pack"]
    assert (found.runs, found.failed) == (2, 1)
    assert found.run.quantile(0.5) == pytest.approx(2, rel=RELATIVE_ERROR)
    assert found.wait.quantile(0.5) == pytest.approx(3, rel=RELATIVE_ERROR)


@pytest.mark.parametrize("changes", [{"attempt": 2}, {"run_after": 3.0}])
def test_what_was_delayed_or_is_tried_again_has_no_time_of_waiting(changes):
    found = counted(package(**changes))["mail", "shop.pack"]

    assert (found.run.count, found.wait.count) == (1, 0)


def test_what_has_not_run_has_no_times():
    found = counted(package(success=False), seconds=None)["mail", "shop.pack"]

    assert (found.runs, found.failed, found.run.count, found.wait.count) == (1, 1, 0, 0)


def test_a_function_is_counted_by_its_dotted_name():
    assert counted(package(func=sum)).keys() == {("mail", "builtins.sum")}


@pytest.mark.parametrize(("runs", "weights"), [(1, 1), (2, 2), (4, 4), (7, 4), (8, 8), (100, 96)])
def test_of_a_batch_of_short_runs_all_are_counted_and_some_are_timed(runs, weights):
    counts = {}
    for _ in range(runs):
        count_short_run(counts, package(), time.monotonic() - 2)

    found = counts["mail", "shop.pack"]
    assert (found.runs, found.run.count, found.wait.count) == (runs, weights, weights)
    assert found.run.quantile(0.5) == pytest.approx(2, rel=0.1)


def test_counts_of_several_workers_add_up():
    counts = counted(package())

    merge_packed(counts, packed(counted(package(), package(func="shop.send"))))

    assert {func: each.runs for (_queue, func), each in counts.items()} == {
        "shop.pack": 2,
        "shop.send": 1,
    }


@pytest.mark.parametrize(("queue", "name"), [(7, "7"), (["a"], "['a']"), (None, "")])
def test_a_queue_that_is_no_text_is_counted_by_what_it_reads_as(queue, name):
    counts = {}

    count_short_run(counts, package(cluster=queue), None)
    count_run(counts, package(cluster=queue), None)

    assert {key: each.runs for key, each in counts.items()} == {(name, "shop.pack"): 2}


def test_a_package_that_can_not_be_counted_stops_no_worker():
    counts = {}

    count_short_run(counts, {"func": "shop.pack"}, None)
    count_short_run(counts, package(started="then"), 1.0)
    count_short_run(counts, package(), 1.0)

    assert counts["mail", "shop.pack"].runs == 2
