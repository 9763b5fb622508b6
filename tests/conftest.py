"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from multiprocessing import Value
from threading import Event
from typing import Any

import pytest

from django_q.conf import Conf, attribute
from tests import servers
from tests.clusters import RunningCluster


@pytest.fixture
def conf() -> Iterator[Callable[..., None]]:
    """Set options of ``Q_CLUSTER`` until the test ends: ``conf(retry=1, name="shop")``."""
    saved = dict(vars(Conf))

    def set_options(**options: Any) -> None:
        for key, value in options.items():
            assert hasattr(Conf, attribute(key)), f"Q_CLUSTER has no option {key!r}"
            setattr(Conf, attribute(key), value)

    yield set_options
    vars(Conf).clear()
    vars(Conf).update(saved)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition: ``wait_until(lambda: queue_size() == 0, timeout=5)``."""
    return servers.wait_until


@pytest.fixture
def redis_url(conf: Callable, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point ``Q_CLUSTER['redis']`` at the Redis server of the test run."""
    url = servers.redis_url()
    conf(redis=url)
    return url


@pytest.fixture
def broker(
    request: pytest.FixtureRequest, conf: Callable, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Give the broker that ``get_broker()`` gives too: Redis, with nothing in it.

    Parametrise it for another: ``@pytest.mark.parametrize("broker", ["orm"], indirect=True)``.
    """
    from django_q.brokers import get_broker  # after the settings of the test

    if getattr(request, "param", "redis") == "orm":
        request.getfixturevalue("transactional_db")
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")  # for processes that the test starts
        conf(orm="default")
    else:
        request.getfixturevalue("redis_url")
    broker = get_broker()
    clear(broker)
    yield broker
    clear(broker)
    broker.close()


def clear(broker: Any) -> None:
    """Remove what a test left in a broker: tasks, and heartbeats of clusters."""
    broker.delete_queue()
    if Conf.ORM is None:
        connection = broker.connection
        for key in connection.scan_iter("*django_q:test*", count=1000):
            connection.delete(key)


@pytest.fixture
def run_once() -> Callable[[Any], None]:
    """Push, work and monitor what is in a broker, in this process."""
    from django_q.cluster import monitor, pusher, worker
    from django_q.queues import STOP, Queue

    def run(broker: Any) -> None:
        task_queue, result_queue, stopped = Queue(), Queue(), Event()
        stopped.set()  # one round of the pusher
        pusher(task_queue, stopped, broker)
        task_queue.put(STOP)
        worker(task_queue, result_queue, Value("d", -1))
        result_queue.put(STOP)
        monitor(result_queue, broker)

    return run


def pytest_report_header() -> str:
    """Say which database the tests use."""
    return f"database: {os.environ.get('DJANGO_Q_TEST_DATABASE', 'sqlite')}"


@pytest.fixture
def running_cluster(broker: Any, transactional_db: None) -> Iterator[Callable[..., RunningCluster]]:
    """Start clusters that work for the test's broker: ``running_cluster(retry=2)``.

    They have stopped when the test is over.
    """
    started: list[RunningCluster] = []

    def start(*arguments: str, ready: bool = True, **options: Any) -> RunningCluster:
        cluster = RunningCluster(*arguments, **options)
        started.append(cluster)
        return cluster.wait_ready() if ready else cluster

    yield start
    for cluster in started:
        cluster.end()
