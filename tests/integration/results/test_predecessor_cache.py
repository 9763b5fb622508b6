"""What clusters of the predecessors leave in the cache, taken over by ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.filebased import FileBasedCache
from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion.completion import complete
from django_q.models import Part
from django_q.results import cache as results
from django_q.results.cache import CachedResults
from django_q.signing import SignedPackage
from django_q.tasks import count_group, delete_group, fetch, fetch_group, result_group
from django_q.wire.package import new_package

pytestmark = pytest.mark.django_db

ITERABLE = "1" * 32


def finished(number: int, group: str, **options: Any) -> dict[str, Any]:
    """Make a finished package as a predecessor does: the items of an iterable have no numbers."""
    package = new_package("tests.tasks.multiply", (number, 2), {}, {"cached": True, **options})
    outcome = {"result": number * 2, "success": True, "stopped": timezone.now()}
    return {**package, "group": group, **outcome}


def leave(group: str, packages: list[dict[str, Any]], **more: Any) -> None:
    """Write to the cache what a predecessor's cluster does: tasks, and one list of their keys."""
    prefix = CachedResults.of().list_key
    keys = [f"{prefix}:{package['id']}" for package in packages]
    for key, package in zip(keys, packages, strict=True):
        cache.set(key, SignedPackage.dumps(package))
    for name, value in {"keys": keys, **more}.items():
        cache.set(f"{prefix}:{group}:{name}", value, None)


def entries() -> list[str]:
    """List what is left in the cache."""
    return list(cache._list_cache_files())


def submit(package: Any) -> None:
    """Stand for the producer where nothing is to be submitted."""
    raise AssertionError(package)


def test_a_cached_group_of_a_predecessor_is_found():
    leave("sums", [finished(number, "sums") for number in (1, 2)])

    assert result_group("sums", cached=True) == [2, 4]
    assert count_group("sums", cached=True) == 2
    assert [task.group for task in fetch_group("sums", cached=True)] == ["sums", "sums"]


def test_a_cached_group_that_both_have_worked_on_is_found():
    leave("sums", [finished(1, "sums")])
    results.save(finished(2, "sums"))

    assert result_group("sums", cached=True) == [2, 4]


def test_a_cached_group_of_a_predecessor_is_deleted():
    leave("sums", [finished(1, "sums")])

    delete_group("sums", cached=True)

    assert count_group("sums", cached=True) == 0
    assert entries() == []


def test_an_iterable_that_a_predecessor_has_begun_is_collated():
    leave(ITERABLE, [finished(number, ITERABLE, iter_count=3) for number in (1, 2)], args="signed")

    complete([finished(3, ITERABLE, iter_count=3)], None, submit)

    task = fetch(ITERABLE)
    assert sorted(task.result) == [2, 4, 6]
    assert sorted(task.args) == [(1, 2), (2, 2), (3, 2)]
    assert Part.objects.count() == 0


def test_nothing_of_a_collated_iterable_is_left_in_the_cache():
    leave(ITERABLE, [finished(1, ITERABLE, iter_count=2)], args="signed")

    complete([finished(2, ITERABLE, iter_count=2)], None, submit)

    assert entries() == []


def test_a_collated_iterable_that_is_to_be_cached_stays_in_the_cache():
    options = {"iter_count": 2, "iter_cached": 60}
    leave(ITERABLE, [finished(1, ITERABLE, **options)], args="signed")

    complete([finished(2, ITERABLE, **options)], None, submit)

    assert sorted(fetch(ITERABLE, cached=True).result) == [2, 4]


def test_an_item_that_both_have_run_counts_once():
    first, second = (finished(number, ITERABLE, iter_count=2) for number in (1, 2))
    leave(ITERABLE, [first])

    complete([first], None, submit)
    assert fetch(ITERABLE) is None

    complete([second], None, submit)
    assert sorted(fetch(ITERABLE).result) == [2, 4]


def test_an_iterable_of_a_predecessor_needs_no_cache(monkeypatch):
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("the cache is away")

    for name in ("get", "get_many", "delete_many"):
        monkeypatch.setattr(FileBasedCache, name, fail)

    complete([finished(number, ITERABLE, iter_count=2) for number in (1, 2)], Broker(), submit)

    assert sorted(fetch(ITERABLE).result) == [2, 4]
