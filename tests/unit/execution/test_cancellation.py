"""Which notices are for a task, and how it ends by one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from django_q.execution.cancellation import end_as_cancelled, find_order
from django_q.wire.package import new_package, next_link

#: When the tasks of these tests were submitted.
STARTED = datetime(2026, 1, 2, tzinfo=timezone.utc)
BEFORE, AFTER = STARTED.timestamp() - 1, STARTED.timestamp() + 1


def package(**options: Any) -> dict[str, Any]:
    """Make the package of a task."""
    return new_package("tests.tasks.multiply", (2, 3), {}, options, "a" * 32, STARTED)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_an_order_for_a_task_is_for_it_whenever_it_was_given(when):
    orders = {f"task:{'a' * 32}": (when, "by anna")}

    assert find_order(package(), orders) == "by anna"
    assert find_order({**package(), "id": "b" * 32}, orders) is None


@pytest.mark.parametrize("key", ["group:g", "queue"])
def test_an_order_for_many_is_for_those_that_were_submitted_before(key):
    assert find_order(package(group="g"), {key: (AFTER, "by anna")}) == "by anna"
    assert find_order(package(group="g"), {key: (BEFORE, "by anna")}) is None
    assert find_order(package(group="g"), {key: (STARTED.timestamp(), "by anna")}) is None


def test_an_order_for_a_group_is_for_no_other():
    orders = {"group:g": (AFTER, "by anna")}

    assert find_order(package(), orders) is None
    assert find_order(package(group="h"), orders) is None


@pytest.mark.parametrize("key", ["group:mine", f"group:{'b' * 32}", f"task:{'b' * 32}"])
def test_the_items_of_an_iterable_are_found_by_it_and_by_its_group(key):
    item = package(group="b" * 32, iter_count=3, iter_group="mine")

    assert find_order(item, {key: (AFTER, "by anna")}) == "by anna"


def test_a_link_is_judged_by_the_start_of_its_chain():
    first = {**package(group="g", chain=["f", "g", "h"]), "success": True}
    second = next_link(first, None)
    third = next_link({**second, "success": True}, None)

    assert STARTED < second["started"] <= third["started"]
    for link in (second, third):
        assert link["chain_started"] == STARTED.timestamp()
        assert find_order(link, {"group:g": (AFTER, "by anna")}) == "by anna"
        assert find_order(link, {"group:g": (BEFORE, "by anna")}) is None


def test_a_naive_time_is_of_the_local_time_zone():
    naive = datetime.fromtimestamp(STARTED.timestamp())

    assert find_order({**package(), "started": naive}, {"queue": (AFTER, "by anna")}) == "by anna"
    assert find_order({**package(), "started": naive}, {"queue": (BEFORE, "by anna")}) is None


@pytest.mark.parametrize("value", [None, "now", 7, float("nan"), datetime.min, [STARTED]])
def test_odd_values_in_place_of_times_and_names_raise_nothing(value):
    odd = {**package(), "started": value, "group": value, "iter_group": value}

    assert find_order(odd, {"queue": (AFTER, "by anna")}) == "by anna"
    assert find_order({**odd, "chain_started": value}, {"group:g": (AFTER, "")}) is None


@pytest.mark.parametrize("value", [None, "now", float("nan"), float("inf"), 7])
def test_where_the_start_of_a_chain_is_odd_the_start_of_the_task_counts(value):
    odd = {**package(), "chain_started": value}

    assert find_order(odd, {"queue": (AFTER, "by anna")}) == "by anna"
    assert find_order(odd, {"queue": (BEFORE, "by anna")}) is None


def test_a_cancelled_task_is_a_failure_that_says_by_whom():
    task = package()

    end_as_cancelled(task, "cancelled by anna")

    assert (task["success"], task["cancelled"]) == (False, "cancelled by anna")
    assert task["result"] == "TaskCancelled('cancelled by anna') : the task was not run"
    assert task["exception"] == "django_q.exceptions.TaskCancelled"
    assert task["stopped"].tzinfo
    assert len(task["fingerprint"]) == 32
