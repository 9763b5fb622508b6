"""Calls by ``async_task``, and the results of single tasks."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import redis
from django.utils import timezone

import django_q
from django_q import tasks
from django_q.brokers import get_broker
from django_q.calls import composition
from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.signals import post_execute_in_worker, pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import async_task, fetch, queue_size, result
from tests.tasks import Calculator, echo, hook, multiply, nothing


def sent(broker: Any) -> dict[str, Any]:
    """Take the one package that waits in a broker."""
    (delivery,) = broker.dequeue(limit=10, wait=0)
    return SignedPackage.loads(delivery.payload)


def save_task(task_id: str = "a" * 32, **fields: Any) -> Task:
    """Save a finished task."""
    now = timezone.now()
    values = {"id": task_id, "name": "four-little-words-here", "func": "f", "success": True}
    return Task.objects.create(**{**values, "started": now, "stopped": now, **fields})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
@pytest.mark.parametrize(
    ("func", "expected"),
    [
        ("tests.tasks.multiply", 6),
        (multiply, 6),
        ("operator.mul", 6),
        ("pow", 8),
        (Calculator().add, 5),
        ("tests.tasks.Calculator", None),
        (partial(multiply, y=3), None),
        (complex, 2 + 3j),
    ],
)
def test_a_function_is_called_by_name_or_as_an_object(broker, run_once, func, expected):
    task_id = async_task(func, 2) if expected is None else async_task(func, 2, 3)

    run_once(broker)

    if isinstance(func, partial):
        assert result(task_id) == 6
    elif expected is None:
        assert not fetch(task_id).success
    else:
        assert result(task_id) == expected


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: async_task(lambda: 1), "The function"),
        (lambda: async_task("f", 1, threading.Lock()), r"Argument 2 \(lock\)"),
        (lambda: async_task("f", key=threading.Lock()), r"Argument 'key' \(lock\)"),
        (lambda: async_task("f", hook=lambda task: 1), r"Option 'hook' \(function\)"),
        (lambda: tasks.async_chain(["f", lambda: 1]), "Option 'chain'"),
        (lambda: tasks.async_iter("f", [threading.Lock()]), "Argument 1"),
        (lambda: tasks.async_batch(["f", ("f", (threading.Lock(),))]), "Argument 1"),
    ],
)
def test_what_can_not_be_pickled_raises_at_the_call_and_is_named(broker, call, named):
    with pytest.raises(PackageError, match=named):
        call()

    assert broker.queue_size() == 0


def test_options_are_not_passed_to_the_function(broker):
    async_task(
        echo, 1, hook="h", group="g", timeout=3, save=False, q_options={"max_attempts": 2}, x=2
    )

    package = sent(broker)
    assert (package["args"], package["kwargs"]) == ((1,), {"x": 2})
    assert (package["hook"], package["group"], package["timeout"]) == ("h", "g", 3)
    assert (package["save"], package["max_attempts"]) == (False, 2)


def test_options_in_q_options_win(broker):
    async_task(echo, group="a", x=1, q_options={"group": "b", "task_name": "mine"})

    package = sent(broker)
    assert (package["group"], package["name"], package["kwargs"]) == ("b", "mine", {"x": 1})


def test_options_that_are_none_and_the_broker_do_not_travel(broker):
    async_task(echo, group=None, hook=None, timeout=None, broker=broker, on_commit=False)

    assert set(sent(broker)) == {"id", "name", "func", "args", "kwargs", "started"}


def test_an_unknown_option_is_ignored_and_said_once(broker, caplog):
    composition.warn_unknown.cache_clear()
    with caplog.at_level(logging.WARNING, "django-q"):
        async_task(echo, q_options={"gruop": "a"})
        async_task(echo, q_options={"gruop": "a"})

    assert [record.message for record in caplog.records] == [
        "unknown option 'gruop' in q_options is ignored. Did you mean 'group'?"
    ]


def test_the_options_of_the_caller_are_not_changed(broker):
    options = {"group": "g"}

    async_task(echo, q_options=options)

    assert options == {"group": "g"}


def test_a_receiver_of_pre_enqueue_may_change_the_task(broker):
    def change(sender: str, task: dict, **kwargs: Any) -> None:
        task["kwargs"] = {"x": 5}

    pre_enqueue.connect(change)
    try:
        async_task(echo)
    finally:
        pre_enqueue.disconnect(change)

    assert sent(broker)["kwargs"] == {"x": 5}


def test_a_cluster_is_named(broker):
    async_task(echo, cluster="other")

    other = get_broker("other")
    assert broker.queue_size() == 0
    assert sent(other)["cluster"] == "other"
    other.delete_queue()


def test_a_redis_client_and_a_list_are_named_as_in_django_q_03(redis_url):
    client = redis.Redis.from_url(redis_url)

    async_task("math.modf", 2.5, redis=client, list_key="test:another")

    (payload,) = client.lrange("test:another", 0, -1)
    assert SignedPackage.loads(payload)["func"] == "math.modf"
    client.delete("test:another")
    client.close()


def test_a_list_is_named(broker):
    async_task(echo, list_key="test:another")

    assert broker.queue_size() == 0
    assert broker.connection.llen("test:another") == 1
    broker.connection.delete("test:another")


def test_many_calls_use_one_connection(broker):
    async_task(echo)
    before = broker.connection.info("stats")["total_connections_received"]

    for _ in range(5):
        async_task(echo)

    assert broker.connection.info("stats")["total_connections_received"] == before
    assert queue_size() == 6


def test_functions_go_by_name_where_the_serializer_is_json(broker, conf):
    conf(serializer="json")

    async_task(multiply, 2, 3, hook=echo)

    package = sent(broker)
    assert (package["func"], package["hook"]) == ("tests.tasks.multiply", "tests.tasks.echo")
    with pytest.raises(PackageError, match="The function must be importable"):
        async_task(Calculator())


@pytest.mark.django_db
def test_a_task_is_found_by_id_and_by_name():
    task_id = async_task(multiply, 2, 3, task_name="my-product", sync=True)

    assert result(task_id) == result("my-product") == 6
    assert fetch(task_id) == fetch("my-product")
    assert fetch(task_id).name == "my-product"


@pytest.mark.django_db
def test_a_result_of_none_is_told_from_nothing():
    task_id = async_task(nothing, sync=True)

    assert result(task_id) is None
    assert result(task_id, default="absent") is None
    assert result("b" * 32, default="absent") == "absent"
    assert result("no-such-name") is None
    assert fetch("no-such-name") is None


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, 0, "", [], False])
def test_the_wait_ends_on_the_row_and_not_on_a_true_result(value):
    save_task(result=value)

    before = time.monotonic()

    assert result("a" * 32, wait=60_000, default="absent") == value
    assert time.monotonic() - before < 30


@pytest.mark.django_db
def test_the_wait_is_bounded():
    before = time.monotonic()

    assert fetch("a" * 32, wait=30) is None
    assert 0.03 <= time.monotonic() - before < 10


@pytest.mark.django_db(transaction=True)
def test_a_wait_without_limit_ends_when_the_row_is_there():
    def save() -> None:
        time.sleep(0.1)
        save_task(result=7)
        from django.db import connection

        connection.close()

    thread = threading.Thread(target=save)
    thread.start()

    assert result("a" * 32, wait=-1) == 7
    thread.join()


@pytest.mark.django_db
def test_the_latest_of_tasks_with_one_name_is_found():
    save_task("a" * 32, name="twin", result=1, stopped=timezone.now() - timedelta(hours=1))
    save_task("b" * 32, name="twin", result=2)

    assert result("twin") == 2


@pytest.mark.django_db
def test_looking_for_an_id_does_not_look_through_the_names(django_assert_num_queries):
    with django_assert_num_queries(1) as captured:
        fetch("a" * 32)

    assert '"name" =' not in captured[0]["sql"]


def test_the_word_async_is_there():
    assert getattr(tasks, "async") is async_task
    assert getattr(django_q, "async") is async_task
    with pytest.warns(DeprecationWarning, match="AsyncTask"):
        assert tasks.Async is tasks.AsyncTask
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = tasks.missing


@pytest.mark.parametrize("name", tasks.__all__)
def test_each_public_name_is_documented(name):
    assert getattr(tasks, name).__doc__


@pytest.mark.django_db(transaction=True)
def test_a_package_that_a_receiver_keeps_has_its_values_afterwards(broker, run_once):
    kept: list[dict] = []

    def keep(task: dict, **kwargs: Any) -> None:
        kept.append(task)

    post_execute_in_worker.connect(keep)
    try:
        async_task(Calculator().add, 2, y=3, hook=hook, chain=[echo], broker=broker)
        run_once(broker)
    finally:
        post_execute_in_worker.disconnect(keep)

    (package,) = kept
    assert (package["args"], package["kwargs"], package["result"]) == ((2,), {"y": 3}, 5)
    assert callable(package["func"])
    assert (package["hook"], package["chain"]) == (hook, [echo])
