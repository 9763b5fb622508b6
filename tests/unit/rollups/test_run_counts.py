from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.rollups.run_counts import count_run
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


@pytest.mark.parametrize(("queue", "name"), [(7, "7"), (["a"], "['a']"), (None, "")])
def test_a_queue_that_is_no_text_is_counted_by_what_it_reads_as(queue, name):
    assert counted(package(cluster=queue)).keys() == {(name, "shop.pack")}
