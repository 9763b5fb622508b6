"""Iterables: one call for each item."""

from __future__ import annotations

import pytest

from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.signing import SignedPackage
from django_q.tasks import Iter, async_iter, fetch, queue_size, result
from django_q.wire.package import new_package
from tests.tasks import echo, hook, hooked, multiply

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_hooks_yet() -> None:
    hooked.clear()


@pytest.mark.parametrize(
    "items", [range(3), (n for n in range(3)), {0: "a", 1: "b", 2: "c"}, iter([0, 1, 2])]
)
def test_any_iterable_will_do(broker, run_all, items):
    iterable = async_iter("math.floor", items)

    run_all(broker)

    assert result(iterable) == [0, 1, 2]


def test_tuples_are_several_arguments_and_other_arguments_are_passed_to_each(broker, run_all):
    iterable = async_iter(echo, [(1, 2), [3, 4], (5,)], x=6)

    run_all(broker)

    x = {"x": 6}
    assert result(iterable) == [((1, 2), x), (([3, 4],), x), ((5,), x)]
    assert fetch(iterable).args == [(1, 2), [3, 4], 5]
    assert fetch(iterable).kwargs == x


def test_all_items_are_enqueued_or_none(broker):
    with pytest.raises(PackageError, match="Argument 1"):
        async_iter(echo, [1, 2, lambda: 3])

    assert queue_size() == 0


def test_all_items_are_enqueued_in_one_round_trip(broker):
    before = broker.connection.info("stats")["total_commands_processed"]

    async_iter(echo, range(500))

    assert broker.connection.info("stats")["total_commands_processed"] - before <= 2
    assert queue_size() == 500


def test_items_in_sync_mode():
    iterable = async_iter("math.floor", [1.5, "x"], sync=True, hook=hook)

    assert result(iterable)[0] == 1
    assert fetch(iterable).success is False
    assert len(hooked) == 1


def test_items_of_a_producer_of_django_q2_are_collated(broker, run_all):
    options = {"group": "a" * 32, "iter_count": 2, "cached": True}
    for number in (1.5, 2.5):
        package = new_package("math.floor", (number,), {}, options)
        broker.enqueue(SignedPackage.dumps(package))

    run_all(broker)

    assert sorted(result("a" * 32)) == [1, 2]
    assert fetch("a" * 32).group is None


def test_items_are_as_a_cluster_of_django_q2_expects_them(broker):
    iterable = async_iter("math.floor", [1.5, 2.5], cached=60)

    package = SignedPackage.loads(broker.dequeue(wait=0)[0].payload)

    assert (package["group"], package["iter_count"]) == (iterable, 2)
    assert (package["cached"], package["iter_cached"]) == (True, 60)


def test_an_iter_is_built_up(broker, run_all):
    products = Iter(multiply, args=[(1, 2)])
    assert products.append(3, 4) == 2
    assert (products.length(), products.result(), products.fetch()) == (2, None, None)

    iterable = products.run()
    assert products.result() is None
    run_all(broker)

    assert products.result(wait=60_000) == [2, 12]
    assert products.fetch().id == products.id == iterable
    products.append(5, 6)
    assert products.result() is None


def test_an_iter_has_options():
    products = Iter(multiply, sync=True, cached=True, kwargs={"y": 3, "hook": hook})
    products.append(2)
    products.run()

    assert products.result() == [6]
    assert Task.objects.count() == 0
    assert len(hooked) == 1
