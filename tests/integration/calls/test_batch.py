"""``async_batch``: many calls in one round trip."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from django_q.exceptions import PackageError
from django_q.signing import SignedPackage
from django_q.tasks import Iter, async_batch, fetch, queue_size, result, result_group
from tests.tasks import echo, hook, hooked, multiply

pytestmark = pytest.mark.django_db(transaction=True)

on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def packages(broker: Any) -> list[dict[str, Any]]:
    """Take the packages that wait in a broker."""
    return [SignedPackage.loads(d.payload) for d in broker.dequeue(limit=100, wait=0)]


@on_both
def test_a_batch_gives_the_ids_in_the_order_of_its_calls(broker, run_all):
    calls = [(multiply, (2, 3)), (multiply, (2,), {"y": 4}), "tests.tasks.nothing", (echo, (1,))]

    ids = async_batch(calls)
    run_all(broker)

    assert [result(task_id) for task_id in ids] == [6, 8, None, ((1,), {})]


@on_both
def test_the_options_are_for_all_of_them(broker, run_all):
    hooked.clear()

    ids = async_batch([(multiply, (n, 2)) for n in range(3)], group="g", hook=hook)
    run_all(broker)

    assert sorted(task.id for task in hooked) == sorted(ids)
    assert sorted(result_group("g")) == [0, 2, 4]


def test_a_call_has_options_of_its_own(broker):
    calls = [(echo, (1,), {"group": "own", "x": 1}), (echo, (2,), {"q_options": {"save": False}})]

    async_batch(calls, group="all")

    first, second = packages(broker)
    assert (first["group"], first["kwargs"]) == ("own", {"x": 1})
    assert (second["group"], second["save"]) == ("all", False)


@pytest.mark.parametrize("option", ["broker", "cluster", "sync", "on_commit", "list_key"])
def test_a_call_can_not_take_another_way_than_its_batch(broker, option):
    with pytest.raises(PackageError, match=f"'{option}' is an option of the batch"):
        async_batch([(echo, (1,), {option: "x"})])

    assert queue_size() == 0


def test_what_is_no_option_is_refused(broker):
    with pytest.raises(PackageError, match=r"Expected options of tasks, got x\."):
        async_batch([echo], x=1)


def test_an_empty_batch_is_nothing(broker):
    assert async_batch([]) == []
    assert queue_size() == 0


@on_both
@pytest.mark.parametrize("bad", [(echo, (threading.Lock(),)), (echo, (1,), {"x": lambda: 1})])
def test_none_is_enqueued_when_one_can_not_travel(broker, bad):
    with pytest.raises(PackageError, match="Argument"):
        async_batch([(echo, (1,)), bad, (echo, (2,))])

    assert queue_size() == 0


def test_a_batch_is_one_round_trip(broker):
    queue_size()
    before = broker.connection.info("stats")["total_commands_processed"]

    async_batch([(echo, (n,)) for n in range(1000)])

    assert broker.connection.info("stats")["total_commands_processed"] - before <= 2
    assert queue_size() == 1000


def test_a_batch_may_come_from_a_generator(broker):
    assert len(async_batch((echo, (n,)) for n in range(3))) == 3


def test_a_batch_runs_at_once_in_sync_mode():
    ids = async_batch([(multiply, (2, 3)), "no.such.function"], sync=True)

    assert [fetch(task_id).success for task_id in ids] == [True, False]


def test_an_iter_of_a_batch_size_is_one_round_trip_too(broker):
    Iter(echo, args=[(n,) for n in range(10)]).run()

    assert queue_size() == 10
