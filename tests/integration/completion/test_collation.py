"""Iterables: the results of all items are put together in one task."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from django_q.completion import collation, completion
from django_q.completion.completion import complete
from django_q.completion.finished_task import FinishedTask
from django_q.conf import Conf
from django_q.models import Part, Task
from django_q.results import parts, saving
from django_q.signals import post_execute
from django_q.tasks import async_iter, fetch, queue_size, result, result_cached
from tests.integration.completion.executed_items import execute_waiting, fail_on_submit
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)


on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


@pytest.fixture(autouse=True)
def _no_hooks_yet() -> None:
    hooked.clear()


@on_both
def test_the_results_are_one_task_in_the_order_of_the_items(broker, run_all):
    iterable = async_iter("math.floor", [2.5, 0.5, 1.5])
    assert queue_size() == 3

    run_all(broker)

    task = fetch(iterable)
    assert (task.id, task.result, task.success) == (iterable, [2, 0, 1], True)
    assert (task.args, task.func) == ([2.5, 0.5, 1.5], "math.floor")
    assert task.started < task.stopped
    assert Task.objects.count() == 1
    assert Part.objects.count() == 0
    assert broker.queue_size() == broker.lock_size() == 0


def test_the_order_is_kept_when_items_end_in_another(broker):
    iterable = async_iter("math.floor", [0, 1, 2, 3])

    for package in reversed(execute_waiting(broker)):
        complete([package], broker, fail_on_submit)

    assert result(iterable) == [0, 1, 2, 3]


def test_items_are_completed_in_one_group(broker):
    iterable = async_iter("math.floor", [0, 1, 2, 3])

    complete(execute_waiting(broker), broker, fail_on_submit)

    assert result(iterable) == [0, 1, 2, 3]
    assert broker.lock_size() == 0


def test_no_items_are_done_at_once(broker):
    iterable = async_iter("math.floor", [], hook=hook)

    assert queue_size() == 0
    assert (result(iterable), fetch(iterable).args) == ([], [])
    assert [task.id for task in hooked] == [iterable]


def test_the_hook_is_called_once_with_all_the_results(broker, run_all):
    async_iter("math.floor", [1.5, 2.5], hook=hook)

    run_all(broker)

    assert [task.result for task in hooked] == [[1, 2]]


def test_group_and_name_are_those_of_the_whole(broker, run_all):
    iterable = async_iter("math.floor", [1.5, 2.5], group="floors", task_name="floor-all")

    run_all(broker)

    assert (fetch(iterable).group, fetch("floor-all").id) == ("floors", iterable)


def test_a_chain_follows_the_whole(broker, run_all):
    async_iter("math.floor", [1.5, 2.5], chain=[("builtins.sum",)], group="g")

    run_all(broker)

    assert Task.objects.get(func="builtins.sum").group == "g"


@on_both
@pytest.mark.skipif(connection.vendor != "mysql", reason="it shows what MariaDB hangs up at")
def test_an_item_that_the_database_refuses_is_text_and_the_others_are_as_they_are(broker, run_all):
    iterable = async_iter("builtins.bytes", [3, 17 * 1024 * 1024, 1])

    run_all(broker)

    first, refused, last = fetch(iterable).result
    assert (first, last) == (bytes(3), bytes(1))
    assert "stored as text" in refused


@on_both
def test_a_failed_item_has_its_text_in_its_place(broker, run_all):
    iterable = async_iter("math.floor", [1.5, "x", 2.5])

    run_all(broker)

    task = fetch(iterable)
    assert task.success is False
    assert (task.result[0], task.result[2]) == (1, 2)
    assert task.result[1].startswith("TypeError(")


def test_an_item_is_tried_again_where_asked(broker, run_all, tmp_path, conf, wait_until):
    conf(retry=1)
    path = str(tmp_path / "runs")
    iterable = async_iter("tests.tasks.fail_until", [(path, 1)], q_options={"max_attempts": 3})

    run_all(broker)
    assert fetch(iterable) is None
    wait_until(broker.queue_size)
    run_all(broker)

    assert (result(iterable), fetch(iterable).success) == ([2], True)


def test_a_whole_that_is_not_to_be_saved_is_not(broker, run_all):
    async_iter("math.floor", [0, 1], save=False, hook=hook)

    run_all(broker)

    assert hooked[0].result == [0, 1]
    assert (Task.objects.count(), Part.objects.count()) == (0, 0)


def test_the_whole_is_cached_where_asked(broker, run_all):
    iterable = async_iter("math.floor", [1.5, 2.5], cached=30)

    run_all(broker)

    assert result_cached(iterable) == [1, 2]
    assert result(iterable) is None
    assert (Task.objects.count(), Part.objects.count()) == (0, 0)


def test_an_item_that_comes_again_counts_once(broker):
    iterable = async_iter("math.floor", [1.5, 2.5])
    first, second = execute_waiting(broker)

    complete([first], broker, fail_on_submit)
    complete([{**first, "attempt": 2}], broker, fail_on_submit)
    assert fetch(iterable) is None
    complete([second], broker, fail_on_submit)

    assert result(iterable) == [1, 2]


def test_two_monitors_that_save_the_last_items_at_once_collate_once(broker):
    async_iter("math.floor", [1.5, 2.5], hook=hook)
    first, second = execute_waiting(broker)

    parts.add([first, second])  # both have been saved before either looks
    complete([first], broker, fail_on_submit)
    complete([second], broker, fail_on_submit)

    assert [task.result for task in hooked] == [[1, 2]]


def test_the_second_of_two_monitors_leaves_it_to_the_first(broker):
    async_iter("math.floor", [1.5, 2.5])
    first, second = execute_waiting(broker)
    parts.add([first, second])

    iterables = collation.collate([FinishedTask(second)])
    assert [iterable.package["result"] for iterable in iterables] == [[1, 2]]
    assert collation.collate([FinishedTask(first)]) == []
    assert broker.lock_size() == 2


@pytest.mark.parametrize("moment", ["save", "follow", "forget"])
def test_an_iterable_survives_a_monitor_that_is_killed_while_it_collates(
    broker, monkeypatch, moment
):
    class Killed(BaseException):
        """Stands for a kill."""

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    iterable = async_iter("math.floor", [1.5, 2.5], hook=hook)
    packages = execute_waiting(broker)
    with monkeypatch.context() as patch:
        patch.setattr(
            *{
                "save": (saving, "save_wanted"),
                "follow": (completion, "run_follow_ups"),
                "forget": (collation.parts, "delete"),
            }[moment],
            die,
        )
        with pytest.raises(Killed):
            complete(packages, broker, fail_on_submit)
    assert broker.lock_size() == 2  # nothing is acknowledged

    broker.release([package["ack_id"] for package in packages])  # the leases end
    again = execute_waiting(broker)
    assert [package["attempt"] for package in again] == [2, 2]
    complete(again[:1], broker, fail_on_submit)
    complete(again[1:], broker, fail_on_submit)

    assert result(iterable) == [1, 2]
    assert len(hooked) == (2 if moment == "forget" else 1)
    assert Part.objects.count() == 0
    assert broker.lock_size() == broker.queue_size() == 0


def test_completing_may_be_repeated_in_the_same_monitor(broker, monkeypatch):
    """The database goes away between two steps, and the monitor tries the whole again."""
    iterable = async_iter("math.floor", [1.5, 2.5], hook=hook)
    packages = execute_waiting(broker)
    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_wanted", lambda packages: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            complete(packages, broker, fail_on_submit)

    complete(packages, broker, fail_on_submit)
    complete(packages, broker, fail_on_submit)  # the broker went away behind the last step

    assert result(iterable) == [1, 2]
    assert len(hooked) == 1
    assert Part.objects.count() == 0


def test_an_item_that_comes_behind_the_end_leaves_nothing_behind(broker):
    iterable = async_iter("math.floor", [1.5, 2.5], hook=hook)
    packages = execute_waiting(broker)
    complete(packages, broker, fail_on_submit)

    complete([{**packages[0], "attempt": 2}], broker, fail_on_submit)

    assert result(iterable) == [1, 2]
    assert len(hooked) == 1
    assert Part.objects.count() == 0


def test_signals_tell_of_each_item_and_of_the_whole(broker, run_all):
    told = []

    def note(sender: str, task: dict, **kwargs: Any) -> None:
        told.append(task["result"])

    post_execute.connect(note)
    try:
        async_iter("math.floor", [1.5, 2.5])
        run_all(broker)
    finally:
        post_execute.disconnect(note)

    assert told == [1, 2, [1, 2]]


def test_many_items_are_collated(broker, run_all, conf):
    assert Conf.SAVE_LIMIT == 250
    iterable = async_iter("math.floor", range(600))
    packages = [package for _ in range(6) for package in execute_waiting(broker)]

    for start in range(0, 600, 150):
        complete(packages[start : start + 150], broker, fail_on_submit)

    assert result(iterable) == list(range(600))
