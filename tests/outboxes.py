"""What tests of the outbox share: its database, and a Redis behind a network that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.redis.scripts import enqueue_once, enqueue_tasks
from django_q.calls.producer import settle_duplicate
from django_q.models import OutboxTask
from django_q.outbox.choice import log_once
from django_q.outbox.outage import outage_of
from django_q.outbox.relay import Relay
from django_q.outbox.rows import outbox_rows
from django_q.servers.database_clock import time_expression
from django_q.signing import SignedPackage
from tests import servers
from tests.faults.proxy import Proxy


def on_both_databases(test: Callable) -> Callable:
    """Run a test with the outbox on SQLite and on PostgreSQL, whose tables exist by then."""
    for mark in (
        pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
        pytest.mark.usefixtures("django_db_setup", "postgres_tables"),
        pytest.mark.parametrize("outbox", ["default", "postgres"], indirect=True),
    ):
        test = mark(test)
    return test


@contextmanager
def use_outbox(alias: str, conf: Any) -> Iterator[str]:
    """Have an empty outbox in a database, and no outage that an earlier test has seen."""
    conf(outbox=alias)
    outbox_rows().all().delete()
    outage_of.cache_clear()
    log_once.cache_clear()
    yield alias
    outbox_rows().all().delete()
    outage_of.cache_clear()


@contextmanager
def proxied_redis(conf: Any) -> Iterator[Proxy]:
    """Have ``Q_CLUSTER['redis']`` go through a proxy; no command is tried twice."""
    proxy = Proxy(int(servers.redis_url().rpartition(":")[2].partition("/")[0]))
    url = f"redis://127.0.0.1:{proxy.port}/0"
    conf(redis={"url": url, "socket_timeout": 0.2, "retry": Retry(NoBackoff(), 0)})
    broker = shared_broker()
    for script in (enqueue_once, enqueue_tasks):  # so that the server knows them before it is away
        broker.connection.script_load(script.text)
    yield proxy
    proxy.close()
    conf(redis=servers.redis_url())


def relay_all() -> None:
    """Push all that is in the outbox, as the clusters do when some time has passed."""
    alias = outbox_rows().db
    outbox_rows().update(due=time_expression(alias, -1))
    Relay(settle_duplicate).run()


def kept_ids() -> list[str]:
    """List the ids of the tasks in the outbox, in the order of their calls."""
    return [row.task_id for row in outbox_rows().order_by("created", "key")]


def queued_ids(broker: Any) -> list[str]:
    """List the ids of the tasks in a queue, in the order in which they are taken."""
    return [package["id"] for package in queued(broker)]


def queued(broker: Any) -> list[dict]:
    """List the packages in a queue."""
    return [SignedPackage.loads(task.payload) for task in broker.list_tasks(limit=1000)]


def marks(broker: Any) -> int:
    """Count the keys that Redis remembers."""
    return len(list(broker.connection.scan_iter("*:once:*")))


def one_row() -> OutboxTask:
    """Give the only row of the outbox."""
    return outbox_rows().get()
