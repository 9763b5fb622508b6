"""Threads that wait for results are told, by one subscription of their process."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from django_q.brokers import get_broker
from django_q.results.saving import save
from django_q.results.waiting import shared_subscription
from django_q.results.waiting.shared_subscription import Told
from django_q.results.waiting.telling import ResultTeller
from django_q.tasks import async_task, fetch, fetch_group, result, result_cached
from tests.integration.results.finished_packages import finished
from tests.servers import RedisServer
from tests.told import subscribers, wait_for_waiting, waits
from tests.waiting import wait_until

ON_REDIS = pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.django_db(transaction=True))], indirect=True
)


@contextmanager
def waiting(*calls: Callable[[], Any]) -> Iterator[list[Any]]:
    """Make calls that wait, each in a thread. What they found is in the list by the end."""
    found: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        found[number] = calls[number]()
        connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    yield found
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_thread_is_told_when_its_task_has_ended(telling, kind, run_once):
    task_id = async_task("tests.tasks.multiply", 6, 7)

    with waiting(lambda: result(task_id, wait=-1)) as found:
        wait_for_waiting(1)
        assert subscribers(telling, kind) == 1
        run_once(telling)

    assert found == [42]
    wait_until(lambda: subscribers(telling, kind) == 0)


@ON_REDIS
def test_threads_share_a_subscription_and_others_take_over_its_reading(telling, kind, run_once):
    ids = [async_task("tests.tasks.multiply", number, 2) for number in range(3)]

    with waiting(*(lambda each=each: result(each, wait=-1) for each in ids)) as found:
        wait_for_waiting(3)
        assert subscribers(telling, kind) == 1
        for left in (2, 1, 0):
            run_once(telling)
            wait_until(lambda left=left: len(waits().paces) == left)

    assert found == [0, 2, 4]
    wait_until(lambda: subscribers(telling, kind) == 0)


@ON_REDIS
def test_a_group_a_name_and_a_result_in_the_cache_are_told_of(telling, kind, run_all):
    async_task("tests.tasks.multiply", 2, 2, group="pairs")
    async_task("tests.tasks.multiply", 2, 3, group="pairs")
    async_task("tests.tasks.multiply", 2, 4, task_name="a product")
    cached = async_task("tests.tasks.multiply", 2, 5, cached=60)

    with waiting(
        lambda: sorted(task.result for task in fetch_group("pairs", count=2)),
        lambda: fetch("a product", wait=-1).result,
        lambda: result_cached(cached, wait=-1),
    ) as found:
        wait_for_waiting(3)
        run_all(telling)

    assert found == [[4, 6], 8, 10]


def test_a_process_that_was_forked_leaves_the_subscription_to_its_parent(telling, kind, run_once):
    task_id = async_task("tests.tasks.multiply", 6, 7)

    with waiting(lambda: result(task_id, wait=-1)) as found:
        wait_for_waiting(1)
        parents = waits()
        gc.disable()  # in the child it would close the connection of this thread to MySQL
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()  # beside a thread
        if pid == 0:
            is_new = waits() is not parents and not Told.subscriptions
            parents.shared.drop()
            os._exit(0 if is_new else 1)
        gc.enable()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert subscribers(telling, kind) == 1
        run_once(telling)

    assert found == [42]


def test_a_thread_whose_time_is_over_leaves_no_subscription(telling, kind):
    assert result("0" * 32, wait=300, default="nothing") == "nothing"

    wait_until(lambda: subscribers(telling, kind) == 0)


@ON_REDIS
def test_a_thread_polls_while_the_server_is_away_and_is_told_again_when_it_is_back(
    telling, conf, monkeypatch, caplog
):
    monkeypatch.setattr(shared_subscription, "SUBSCRIPTION_RETRY_INTERVAL", 0.1)
    server = RedisServer().start()
    conf(redis=server.url)
    package = finished(result=42)

    with waiting(lambda: result(package["id"], wait=-1)) as found:
        wait_for_waiting(1)
        server.stop()
        wait_until(lambda: waits().shared.subscription is None)
        server.start()
        wait_for_waiting(1)
        save([package])
        ResultTeller(get_broker()).tell([package])

    assert found == [42]
    assert sum("are polled: " in message for message in caplog.messages) == 1
    server.stop()


@ON_REDIS
def test_where_nobody_may_subscribe_or_publish_results_are_polled_and_the_log_says_so_once(
    telling, conf, run_all, caplog
):
    server = RedisServer().start()
    with server.client() as root:
        root.execute_command("ACL SETUSER poll on >secret ~* +@all -subscribe -publish &*")
    conf(redis=server.url.replace("redis://", "redis://poll:secret@"))
    broker = get_broker()
    ids = [async_task("tests.tasks.multiply", 6, number) for number in range(2)]

    with waiting(*(lambda each=each: result(each, wait=-1) for each in ids)) as found:
        wait_until(lambda: Told.has_failed)
        run_all(broker)

    assert found == [0, 6]
    assert sum("are polled: " in message for message in caplog.messages) == 1
    assert any("nobody can be told: " in message for message in caplog.messages)
    broker.close()
    server.stop()
