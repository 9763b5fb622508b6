"""Stores that take nothing for a while: results wait, and no task runs twice for that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from django_q.brokers import get_broker
from django_q.models import Success
from django_q.tasks import async_task
from tests.clusters import RunningCluster
from tests.outages import run_sql, saved
from tests.processes.guarantees.traces import enqueue_traces, runs
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.disturbances, pytest.mark.timeout(180)]


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
def test_results_are_saved_although_a_model_of_the_project_keeps_an_old_one(
    broker: Any, running_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_Q_TEST_APPS", "tests.invoices")
    trace = tmp_path / "runs"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE invoices_invoice (id integer PRIMARY KEY, task_id varchar(32) "
            "REFERENCES django_q_task (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    try:
        cluster = running_cluster(retry=2, save_limit=3)
        (first,) = enqueue_traces(trace, 1, 0.01)
        wait_until(lambda: Success.objects.filter(id=first).exists(), timeout=20)
        run_sql("default", f"INSERT INTO invoices_invoice VALUES (1, '{first}')")

        last = enqueue_traces(trace, 20, 0.01, first=1)[-1]

        wait_until(lambda: Success.objects.filter(id=last).exists(), timeout=30)
        wait_until(lambda: broker.lock_size() == 0, timeout=10)
        wait_until(lambda: Success.objects.count() <= 4 + 2, timeout=10)
        assert Success.objects.filter(id=first).exists()
        assert set(runs(trace).values()) == {1}
        assert len(runs(trace)) == 21
        assert cluster.stop() == 0
    finally:
        run_sql("default", "DROP TABLE invoices_invoice")


def test_the_pusher_says_that_the_table_of_its_queue_is_locked(
    on_postgres: str,
    make_broker: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    make_broker("postgres")
    monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
    cluster = RunningCluster()
    request.addfinalizer(cluster.end)
    cluster.wait_ready()

    with transaction.atomic(using=on_postgres):
        run_sql(on_postgres, "LOCK TABLE django_q_ormq IN EXCLUSIVE MODE")
        async_task("math.floor", 1.5, on_commit=False)  # which wakes nobody before it is committed
        with contextlib.closing(connections[on_postgres].copy()) as other, other.cursor() as cursor:
            channel = get_broker().table.channel
            cursor.execute("SELECT PG_NOTIFY(%s, '')", [channel])
        cluster.wait_for("seconds for an answer of the table django_q_ormq", timeout=20)

    wait_until(lambda: saved(on_postgres) == 1, timeout=20)
