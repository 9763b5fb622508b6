"""Task functions that a real cluster calls."""

from __future__ import annotations

import pytest

from django_q.tasks import async_task, fetch, fetch_group, result
from tests.task_functions import Shop, by_path, fail, increased_twice, multiply, wait_and_multiply

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_a_cluster_finds_each_kind_by_its_name(broker, running_cluster):
    running_cluster(workers=1)
    ids = [
        multiply.using(priority=3).enqueue(3, y=4),
        wait_and_multiply.enqueue(3, 5),
        increased_twice.enqueue(2),
        Shop.close.enqueue("tea"),
        by_path.enqueue(1),
        async_task(multiply, 1, chain=[(multiply.using(group="c"), (5,))]),
        multiply.map([1, 2]),
    ]

    assert [result(task_id, wait=60_000) for task_id in ids] == [
        *(12, 15, 6, "tea is closed", ((1,), {}), 2, [2, 4]),
    ]
    assert fetch_group("c", count=1, wait=60_000)[0].result == 10


def test_the_retries_of_the_decorator_are_made(broker, running_cluster):
    running_cluster(workers=1)

    task = fetch(fail.enqueue(), wait=60_000)

    assert (task.success, task.attempt_count) == (False, 3)
    assert task.exception == "ValueError"
