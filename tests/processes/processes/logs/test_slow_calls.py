"""Hooks, databases and receivers that keep results waiting are in the log."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from django_q.models import Success, Task
from django_q.tasks import async_task
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def test_results_behind_a_slow_hook_are_not_run_again(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=3, save_limit=0)
    path = tmp_path / "runs"
    slow = async_task("tests.tasks.trace", str(path), 0, 0, hook="tests.tasks.sleep_in_hook")
    wait_until(lambda: Success.objects.filter(id=slow).exists())  # and the hook runs now

    ids = [async_task("tests.tasks.trace", str(path), number, 0) for number in range(1, 20)]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 19)
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)
    assert sorted(map(int, path.read_text().split())) == list(range(20))
    cluster.wait_for("hook tests.tasks.sleep_in_hook of [")
    assert "seconds, and results behind it wait" in cluster.log()


def test_a_database_that_keeps_results_waiting_is_in_the_log(broker, running_cluster):
    cluster = running_cluster(retry=1)

    with transaction.atomic():
        lock_tasks()
        task = async_task("tests.tasks.multiply", 2, 3, on_commit=False)
        cluster.wait_for("the database, the cache, the broker or a receiver of a signal has taken")

    wait_until(lambda: Success.objects.filter(id=task).exists())
    assert "Traceback" not in cluster.log()


def lock_tasks() -> None:
    """Keep others from writing to the table of tasks until the transaction ends."""
    if connection.vendor == "postgresql":
        connection.cursor().execute(f"LOCK TABLE {Task._meta.db_table} IN EXCLUSIVE MODE")
    else:
        Task.objects.update(group=None)
