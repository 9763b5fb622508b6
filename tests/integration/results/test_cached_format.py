"""Cached results: what is signed as one is read, and nothing else."""

from __future__ import annotations

import pickle
import zlib
from hashlib import md5
from pathlib import Path

import pytest
from django.core import signing as django_signing
from django.core.cache import cache, caches

from django_q.models import Task
from django_q.results import cache as results
from django_q.signing import RESULT_MARK, PickleSerializer, SignedPackage
from django_q.status import Stat
from django_q.tasks import (
    async_task,
    count_group_cached,
    fetch_cached,
    fetch_group_cached,
    result_cached,
    result_group_cached,
)
from django_q.wire.package import new_package
from tests.integration.results.cached_packages import finished
from tests.tasks import multiply
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db


def test_what_somebody_else_put_into_the_cache_is_no_result():
    cache.set("django_q:test:q:" + "a" * 32, SignedPackage.dumps({}).replace(":", ":x"))

    assert result_cached("a" * 32) is None


def key_of(task_id: str) -> str:
    return f"django_q:test:q:{task_id}"


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_task_that_was_signed_is_no_result_in_the_cache(conf, serializer, tmp_path):
    conf(serializer=serializer)
    package = new_package("tests.tasks.multiply", [1, 2], {}, {})
    package["result"] = 6
    cache.set(key_of(package["id"]), SignedPackage.dumps(package))

    assert result_cached(package["id"], default="none") == "none"


def test_a_task_in_place_of_a_result_is_not_unpickled(tmp_path):
    package = new_package("tests.tasks.echo", (FolderMaker(tmp_path / "unpickled"),), {}, {})
    cache.set(key_of(package["id"]), SignedPackage.dumps(package))

    assert result_cached(package["id"]) is None
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("serializer", ["pickle", "json"])
@pytest.mark.parametrize("compress", [True, False])
def test_a_cached_result_on_the_queue_is_no_task(broker, run_once, conf, serializer, compress):
    conf(serializer=serializer, compress=compress)
    text = "x" * 1000
    task_id = async_task("tests.tasks.echo", text, cached=True, sync=True)
    broker.enqueue(cache.get(key_of(task_id)))

    run_once(broker)

    assert (broker.dead_size(), broker.lock_size()) == (1, 0)
    assert Task.objects.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_result_that_a_predecessor_has_cached_is_read_and_is_no_task(
    broker, run_once, conf, serializer
):
    conf(serializer=serializer)
    package = finished()
    value = SignedPackage.dumps(package)
    cache.set(key_of(package["id"]), value)
    broker.enqueue(value)

    run_once(broker)

    assert fetch_cached(package["id"]).result == 6
    assert (broker.dead_size(), Task.objects.count()) == (1, 0)


def test_a_predecessor_reads_what_is_cached_here():
    task_id = async_task(multiply, 2, 3, cached=True, sync=True)

    package = django_signing.loads(
        cache.get(key_of(task_id)), salt="test", serializer=PickleSerializer
    )

    assert package["result"] == 6


def test_the_result_of_one_task_is_not_that_of_another():
    task_id, other = (async_task(multiply, 2, n, cached=True, sync=True) for n in (1, 2))
    cache.set(key_of(task_id), cache.get(key_of(other)))

    assert result_cached(task_id) is None


JUNK = [
    "junk", "", b"\xff", 5, 1.5, True, ["a"], {"a": 1}, ("x",) * 3, object, "\udc80", "!!!!",
    ".!!!!:", "x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK, ids=[repr(each)[:20] for each in JUNK])
def test_junk_in_the_cache_is_a_missing_result(junk):
    good = finished(group="g")
    results.save(good)
    group = md5(b"g").hexdigest()
    cache.set(key_of("a" * 32), junk)
    cache.set("django_q:test:q:g:keys", junk)
    cache.set(f"django_q:test:q:{group}:2", junk)
    cache.set(f"django_q:test:q:{group}:count", junk)

    assert result_cached("a" * 32) is None
    assert fetch_cached("a" * 32) is None
    assert [task.result for task in fetch_group_cached("g")] == [6]
    assert result_group_cached("g") == [6]


@pytest.mark.parametrize("value", [None, [], {}, Stat(1), {"id": "a" * 32, "result": 1}])
def test_junk_that_is_signed_as_a_result_is_a_missing_result(value):
    cache.set(key_of("a" * 32), SignedPackage.dumps(value, purpose=RESULT_MARK))

    assert fetch_cached("a" * 32) is None


def test_a_value_that_the_cache_itself_can_not_read_is_a_missing_result(settings, tmp_path):
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    good = finished(group="g")
    results.save(good)
    bad = finished(group="g")
    results.save(bad)
    path = Path(caches["default"]._key_to_file(key_of(bad["id"])))
    path.write_bytes(pickle.dumps(None) + zlib.compress(b"no pickle"))

    assert fetch_cached(bad["id"]) is None
    assert [task.id for task in fetch_group_cached("g")] == [good["id"]]


def test_a_group_goes_on_where_somebody_has_put_junk_in_the_place_of_its_count():
    cache.set(f"django_q:test:q:{md5(b'g').hexdigest()}:count", "many")

    for _ in range(3):
        results.save(finished(group="g"))

    assert count_group_cached("g") == 3
