"""Results that are kept in the cache."""

from __future__ import annotations

import logging
import os
import resource
import threading
import time
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import DatabaseError

from django_q.brokers import get_broker
from django_q.calls import composition
from django_q.conf import Conf
from django_q.models import Task
from django_q.results import cache as results
from django_q.results.cache import CachedResults
from django_q.signing import SignedPackage
from django_q.tasks import (
    async_chain,
    async_iter,
    async_task,
    count_group,
    delete_cached,
    fetch,
    fetch_cached,
    result,
    result_cached,
    result_group,
)
from tests.integration.results.cached_packages import finished
from tests.tasks import echo, multiply, raise_error, unpicklable

pytestmark = pytest.mark.django_db


def test_a_cached_result_is_not_in_the_database():
    task_id = async_task(multiply, 2, 3, cached=True, sync=True)

    assert result(task_id) is None
    assert result(task_id, cached=True) == result_cached(task_id) == 6
    assert Task.objects.count() == 0


def test_a_cached_task_is_fetched_unsaved():
    task_id = async_task(multiply, 2, y=3, cached=True, group="g", task_name="mine", sync=True)

    task = fetch_cached(task_id)

    assert (task.id, task.name, task.group, task.func) == (
        task_id,
        "mine",
        "g",
        "tests.tasks.multiply",
    )
    assert (task.args, task.kwargs, task.result, task.success) == ((2,), {"y": 3}, 6, True)
    assert task.time_taken() >= 0
    assert fetch(task_id, cached=True).id == task_id
    assert fetch(task_id) is None


def test_a_failure_is_cached_too():
    task_id = async_task(raise_error, cached=True, sync=True)

    assert fetch_cached(task_id).success is False
    assert result_cached(task_id).startswith("ValueError('as asked')")


def test_the_settings_say_where_results_go(conf):
    conf(cached=True)
    first = async_task(multiply, 2, 3, sync=True)
    second = async_task(multiply, 4, 5, cached=False, sync=True)

    assert result(first) == 6
    assert result(second) is None
    assert result(second, cached=False) == 20


def test_a_cached_result_expires(wait_until):
    task_id = async_task(multiply, 2, 3, cached=1, sync=True)

    assert result_cached(task_id) == 6
    wait_until(lambda: result_cached(task_id) is None)


def test_the_key_and_the_value_are_those_of_the_predecessors():
    task_id = async_task(multiply, 2, 3, cached=True, sync=True)

    package = SignedPackage.loads(cache.get(f"django_q:test:q:{task_id}"))

    assert (package["id"], package["result"], package["success"]) == (task_id, 6, True)
    assert package["args"] == (2, 3)


def test_a_result_of_none_is_found(conf):
    task_id = async_task(echo, cached=True, sync=True)

    assert result_cached(task_id, default="absent") == ((), {})
    assert result_cached("a" * 32, default="absent") == "absent"
    assert result_cached("a name of several words", wait=5) is None


def test_a_cached_result_is_deleted():
    task_id = async_task(multiply, 2, 3, cached=True, sync=True)

    assert delete_cached(task_id)
    assert not delete_cached(task_id)
    assert result_cached(task_id) is None


@pytest.mark.django_db(transaction=True)
def test_a_cluster_caches_results(broker, run_all):
    task_ids = [async_task(multiply, 2, n, cached=True, group="doubles") for n in range(3)]
    failure = async_task(raise_error, cached=True)

    run_all(broker)

    assert [result_cached(task_id) for task_id in task_ids] == [0, 2, 4]
    assert not fetch_cached(failure).success
    assert sorted(result_group("doubles", count=3, cached=True)) == [0, 2, 4]
    assert broker.queue_size() == broker.lock_size() == 0


def test_results_of_a_cluster_with_a_name_of_its_own_are_found_without_the_name(conf):
    conf(cluster_name="other")
    results.save(finished(id="a" * 32, group="g"), get_broker())

    conf(cluster_name=Conf.PREFIX)

    task_id = CachedResults.of().members("g")[0]
    assert result_cached(task_id) == 6
    assert result_cached(task_id, broker=get_broker("other")) == 6


def test_a_task_that_is_saved_twice_counts_once():
    package = finished(group="g")

    results.save(package)
    results.save(package)

    assert count_group("g", cached=True) == 1
    assert result_group("g", cached=True) == [6]


def test_a_group_survives_the_loss_of_its_count():
    for _ in range(3):
        results.save(finished(group="g"))

    cache.delete(CachedResults.of().member_key("g", "count"))
    results.save(finished(group="g"))

    assert count_group("g", cached=True) == 4


def test_a_group_has_no_end_at_a_page():
    for _ in range(results.GROUP_PAGE_SIZE + 5):
        results.save(finished(group="g"))

    assert count_group("g", cached=True) == results.GROUP_PAGE_SIZE + 5


def test_a_group_goes_on_after_members_that_expired():
    results.save(finished(group="g", cached=0.01))
    time.sleep(0.05)
    results.save(finished(group="g"))

    assert result_group("g", cached=True) == [6]


def test_two_monitors_that_save_at_once_lose_nothing(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    packages = [finished(group="g") for _ in range(40)]

    threads = [
        threading.Thread(target=lambda own=packages[n::4]: [results.save(p) for p in own])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count_group("g", cached=True) == 40


def test_a_result_that_can_not_be_signed_is_cached_as_text(conf, caplog):
    with caplog.at_level(logging.WARNING, "django-q"):
        results.save({**finished(id="a" * 32), "id": "a" * 32, "result": unpicklable()})

    assert "lock" in result_cached("a" * 32)
    assert "is cached as text" in caplog.text


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow larger than a megabyte, be it one of the cache."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_result_that_the_cache_refuses_is_cached_as_text(caplog):
    results.save({**finished(), "id": "a" * 32, "result": os.urandom(3_000_000)})

    assert result_cached("a" * 32).startswith("b'")
    assert "is cached as text: OSError" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_task_is_not_run_again_because_the_cache_is_away(
    broker, run_all, settings, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(results, "CACHE_OUTAGE_SECONDS", 0.5)
    no_folder = tmp_path / "file"
    no_folder.touch()
    backend = settings.CACHES["default"]["BACKEND"]
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(no_folder / "cache")}}
    async_task("math.floor", 1.5, cached=True)
    saved = async_task("math.floor", 1.5)

    run_all(broker)

    assert result(saved) == 1
    assert "is not in the cache: NotADirectoryError" in caplog.text
    assert broker.lock_size() == 0


def test_a_cache_that_is_away_is_no_missing_result(settings):
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "no_such_table"}}

    with pytest.raises(DatabaseError):
        result_cached("a" * 32)


def test_results_are_cached_as_json_where_packages_are(conf):
    conf(serializer="json")

    task_id = async_task("tests.tasks.multiply", 2, 3, cached=True, sync=True)

    assert fetch_cached(task_id).time_taken() >= 0
    assert result_cached(task_id) == 6


LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def test_a_call_that_caches_where_nobody_else_sees_it_says_so_once(broker, settings, caplog):
    settings.CACHES = LOCAL
    composition.log_unshared_cache.cache_clear()
    async_task(multiply, 2, 3)
    async_task(multiply, 2, 3, cached=True, sync=True)
    assert caplog.messages == []

    async_task(multiply, 2, 3, cached=True)
    async_iter(multiply, [(2, 3)], cached=60)
    async_chain([(multiply, (2, 3))], cached=60)

    (line,) = caplog.messages
    assert "the cache 'default' is a LocMemCache" in line
    assert "Q_CLUSTER['cache']" in line


def test_a_call_that_caches_where_all_see_it_says_nothing(broker, caplog):
    composition.log_unshared_cache.cache_clear()

    async_task(multiply, 2, 3, cached=True)

    assert caplog.messages == []
