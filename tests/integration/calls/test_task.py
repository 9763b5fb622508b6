"""``AsyncTask``: a call as an object."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.signing import SignedPackage
from django_q.tasks import AsyncTask
from tests.tasks import echo, hook, hooked, multiply

pytestmark = pytest.mark.django_db


def test_a_task_is_run_and_asked_for_its_result():
    task = AsyncTask(multiply, 2, y=3, sync=True)
    assert (task.id, task.started) == ("", False)
    assert task.result() is task.fetch() is None

    task_id = task.run()

    assert task.id == task_id
    assert (task.result(), task.result(wait=10), task.fetch().id) == (6, 6, task_id)


def test_a_task_is_run_again_with_other_arguments():
    task = AsyncTask(multiply, 2, 3, sync=True)
    first = task.run()

    task.args = (4, 5)
    second = task.run()

    assert first != second
    assert task.result() == 20


@pytest.mark.parametrize("place", ["arguments", "q_options"])
def test_options_are_attributes(place):
    hooked.clear()
    options: dict[str, Any] = {"group": "g", "sync": True}
    task = AsyncTask(multiply, 2, 3, **options if place == "arguments" else {"q_options": options})
    assert (task.group, task.sync, task.hook, task.save) == ("g", True, None, None)

    task.hook = hook
    task.run()

    assert len(hooked) == 1
    assert task.result_group(count=1) == [6]
    assert [found.id for found in task.fetch_group()] == [task.id]
    assert options == {"group": "g", "sync": True}


def test_an_option_that_is_changed_asks_for_another_run():
    task = AsyncTask(multiply, 2, 3, sync=True)
    task.run()

    task.group = "other"

    assert not task.started
    assert task.result() is None


def test_results_of_the_group_need_a_group():
    task = AsyncTask(multiply, 2, 3, sync=True)
    task.run()

    assert task.result_group() is task.fetch_group() is None


def test_a_result_is_cached():
    task = AsyncTask(multiply, 2, 3, sync=True, group="g")
    task.cached = True
    task.run()

    assert task.result() == task.fetch().result == 6
    assert task.result_group() == [6]


def test_a_task_goes_to_its_broker(broker):
    task = AsyncTask(echo, 1, broker=broker)

    task_id = task.run()

    (delivery,) = broker.dequeue(wait=0)
    assert task.broker is broker
    assert SignedPackage.loads(delivery.payload)["id"] == task_id
    assert task.result(wait=5) is None
