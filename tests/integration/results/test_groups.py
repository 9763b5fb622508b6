"""Groups: finding, counting, awaiting and deleting the tasks of a label."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from django_q.models import Task
from django_q.tasks import (
    async_task,
    count_group,
    count_group_cached,
    delete_group,
    delete_group_cached,
    fetch_group,
    fetch_group_cached,
    result_group,
    result_group_cached,
)
from tests.tasks import multiply, nothing, raise_error

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[False, True], ids=["database", "cache"])
def cached(request: pytest.FixtureRequest, conf: Any) -> bool:
    """Keep results in the one place, then in the other."""
    conf(cached=request.param)
    yield request.param
    delete_group_cached("pairs")


def run_group() -> None:
    """Run two tasks that succeed and one that fails."""
    async_task(multiply, 2, 3, group="pairs", sync=True)
    async_task(raise_error, group="pairs", sync=True)
    async_task(multiply, 4, 5, group="pairs", sync=True)


def test_the_results_of_a_group(cached):
    run_group()

    assert sorted(result_group("pairs")) == [6, 20]
    assert len(result_group("pairs", failures=True)) == 3
    assert result_group("another") is None


def test_the_tasks_of_a_group(cached):
    run_group()

    assert sorted(task.result for task in fetch_group("pairs", failures=False)) == [6, 20]
    assert sorted(task.success for task in fetch_group("pairs")) == [False, True, True]
    assert fetch_group("another") is None


def test_counting_a_group(cached):
    run_group()

    assert count_group("pairs") == 3
    assert count_group("pairs", failures=True) == 1
    assert count_group("another") == 0


def test_the_cached_twins(cached):
    run_group()

    expected = 3 if cached else 0
    assert count_group_cached("pairs") == expected
    assert len(result_group_cached("pairs", failures=True) or ()) == expected
    assert len(fetch_group_cached("pairs") or ()) == expected
    assert (fetch_group_cached("pairs") is None) is not cached


def test_a_group_is_deleted_with_its_tasks(cached):
    run_group()

    delete_group("pairs", tasks=True)

    assert count_group("pairs") == 0
    assert Task.objects.count() == 0


def test_a_label_is_taken_off_and_the_tasks_stay():
    run_group()

    delete_group("pairs")

    assert count_group("pairs") == 0
    assert Task.objects.count() == 3


def test_results_of_none_count(cached):
    async_task(nothing, group="pairs", sync=True)

    assert result_group("pairs", count=1) == [None]


def test_a_wait_alone_ends_with_the_first_result(cached):
    run_group()
    before = time.monotonic()

    assert len(result_group("pairs", wait=60_000)) == 2
    assert time.monotonic() - before < 30


def test_a_wait_for_a_number_of_tasks_is_bounded(cached):
    run_group()

    assert len(result_group("pairs", wait=20, count=4)) == 2
    assert len(fetch_group("pairs", wait=20, count=4)) == 3
    assert result_group("another", wait=20) is None


def test_a_number_of_tasks_counts_those_that_failed(cached):
    run_group()

    assert sorted(result_group("pairs", count=3)) == [6, 20]


@pytest.mark.django_db(transaction=True)
def test_a_number_alone_waits_without_limit():
    def save() -> None:
        time.sleep(0.1)
        now = timezone.now()
        values = {"name": "x", "func": "f", "started": now, "stopped": now, "result": 1}
        Task.objects.create(id="a" * 32, group="pairs", **values)
        connection.close()

    thread = threading.Thread(target=save)
    thread.start()

    assert result_group("pairs", count=1) == [1]
    thread.join()
