"""The statements by which rows of the queue are leased, and what they cost."""

from __future__ import annotations

import math
import re
import time
from datetime import timedelta

import pytest
from django.db import connections, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.brokers.terms import Terms
from django_q.models import OrmQ
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import SQLITE, on_each, on_postgres, sqlite_only
from tests.integration.brokers.orm.term_tasks import KEY, add


@on_each
def test_a_django_q2_cluster_does_not_see_what_is_leased_here(broker):
    broker.enqueue("a")

    def seen():
        rows = OrmQ.objects.using(broker.alias).filter(key="test")
        return rows.filter(lock__lt=timezone.now() + timedelta(seconds=1)).count()

    assert seen() == 1
    broker.dequeue(wait=0)
    assert seen() == 0


@on_each
def test_an_idle_cluster_makes_no_queryset(broker, monkeypatch):
    if connections[broker.alias].vendor == "mysql":
        pytest.skip("its statements do not return rows")
    monkeypatch.delattr(models.QuerySet, "_filter_or_exclude")

    for _ in range(2):
        broker.set_stat("key", "beat", 10)
        broker.clock_watch.compare()
        assert broker.dequeue(wait=0.1) == []
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)
    broker.extend([delivery.ack_id], 60)

    assert broker.acknowledge(delivery.ack_id) is True


@on_each
def test_a_step_is_one_statement(broker):
    connection = connections[broker.alias]
    if connection.vendor == "mysql":
        pytest.skip("its statements do not return rows")
    broker.enqueue("warm")
    broker.acknowledge_many([d.ack_id for d in broker.dequeue(1, wait=0)])
    # These are looked at now and then.
    broker.clock_watch.next_check = broker.table.ranks_checked_at = time.monotonic() + 60

    with CaptureQueriesContext(connection) as queries:
        broker.enqueue("a")
        deliveries = broker.dequeue(100, wait=0)
        broker.extend([d.ack_id for d in deliveries], 60)
        broker.acknowledge_many([d.ack_id for d in deliveries])

    # PostgreSQL tells those who wait. SQLite, a library, reads what is due and leases it: that has
    # a beginning and an end, and a look at rows without a rank as the batch is not full.
    assert len(queries) == 4 + (1 if connection.vendor == "postgresql" else 4)


def leave_pages_to_few_rows(broker, count):
    """Have the table analysed when it has been long and holds only so many rows."""
    broker.enqueue_many(["x" * 300] * 60_000)
    rows = OrmQ.objects.using(broker.alias)
    rows.filter(pk__lte=rows.latest("pk").pk - count).delete()
    run_on(broker, f"VACUUM ANALYZE {OrmQ._meta.db_table}")


def run_on(broker, sql):
    """Run a statement on the broker's database. Returns the rows that it gives."""
    with connections[broker.alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.once
@on_postgres
@pytest.mark.parametrize("left", [None, 0, 1])
def test_a_long_queue_on_postgresql_is_not_read_or_sorted_for_each_take(broker, left):
    run_on(broker, f"TRUNCATE {OrmQ._meta.db_table}")  # as if it were new, and never analysed
    if left is not None:
        leave_pages_to_few_rows(broker, left)
    for _ in range(60):
        broker.enqueue_many(["x" * 300] * 1000)  # no package of a task is shorter
    connection = connections[broker.alias]

    with CaptureQueriesContext(connection) as queries:
        broker.dequeue(500, wait=0)
    plan = "\n".join(row[0] for row in run_on(broker, f"EXPLAIN {queries[-1]['sql']}"))

    broker.delete_queue()
    assert "Index Scan using django_q_ormq_key_rank_lock" in plan
    assert "Sort" not in plan
    assert "Seq Scan on django_q_ormq" not in plan


def counted_steps(broker, function):
    """Count what SQLite does while a function runs, in hundreds of steps of its machine."""
    steps, raw = [], broker.table.driver_connection(connections[broker.alias])
    raw.set_progress_handler(lambda: steps.append(1) and None, 100)
    try:
        function()
    finally:
        raw.set_progress_handler(None, 0)
    return len(steps)


@sqlite_only
@pytest.mark.parametrize("broker", [SQLITE], indirect=True)
@pytest.mark.parametrize(
    "standing", [{"delay": 3600}, {"priority": -50}, {"delay": 9, "priority": 9}]
)
def test_what_stands_in_a_queue_on_sqlite_costs_the_next_take_nothing(broker, standing):
    broker.enqueue("warm")
    empty = counted_steps(broker, lambda: (broker.dequeue(wait=0), broker.table.due_in()))
    broker.enqueue_tasks([("x", Terms(str(n), **standing)) for n in range(3000)])
    broker.enqueue("next")

    steps = counted_steps(broker, lambda: (broker.dequeue(wait=0), broker.table.due_in()))

    assert steps <= empty + 5


@on_postgres
@pytest.mark.parametrize(
    "standing", [{"delay": 3600}, {"priority": -50}, {"delay": 9, "priority": 9}]
)
def test_what_stands_in_a_queue_on_postgresql_costs_the_next_take_nothing(broker, standing):
    run_on(broker, f"TRUNCATE {OrmQ._meta.db_table}")
    broker.enqueue_tasks([("x", Terms(str(n), **standing)) for n in range(3000)])
    run_on(broker, f"VACUUM ANALYZE {OrmQ._meta.db_table}")
    broker.enqueue("next")
    broker.table.ranks_checked_at = -math.inf

    with CaptureQueriesContext(connections[broker.alias]) as queries:
        assert payloads(broker.dequeue(wait=0)) == ["next"]
        broker.table.due_in()

    for query in queries:
        if "heartbeat" in query["sql"] or "NOTIFY" in query["sql"]:
            continue
        plan = "\n".join(row[0] for row in run_on(broker, f"EXPLAIN ANALYZE {query['sql']}"))
        read = [int(float(rows)) for rows in re.findall(r"actual .*?rows=([\d.]+)", plan)]
        assert "Seq Scan on django_q_ormq" not in plan
        assert max(read) < 10, plan


@on_each
def test_of_sixteen_takes_one_begins_with_the_oldest(broker):
    broker.enqueue_tasks([("old", Terms("old", priority=-5))])
    tasks = [(f"new {n}", Terms(f"new {n}", priority=5)) for n in range(40)]
    broker.enqueue_tasks(tasks)
    broker.table.take_count = 0

    taken = [broker.dequeue(wait=0)[0].payload for _ in range(16)]

    assert taken == [*(f"new {n}" for n in range(15)), "old"]


@on_each
def test_a_batch_is_sorted_by_priority_and_time(broker):
    broker.enqueue_tasks([("late", Terms("late", delay=20, priority=1)), ("low", Terms("low"))])
    for name in ("a", "b"):
        broker.enqueue_tasks([(name, Terms(name, priority=1))])
    broker.table.rows.update(lock=models.F("lock") - timedelta(seconds=30))

    assert payloads(broker.dequeue(10, wait=0)) == ["a", "b", "late", "low"]


@on_each
def test_the_wait_ends_when_a_task_with_terms_is_due(broker):
    broker.dequeue(wait=0.1)
    broker.enqueue_tasks([("a", Terms("a", delay=0.5, priority=-3))])

    start = time.monotonic()
    assert payloads(broker.dequeue(wait=30)) == ["a"]
    assert 0.2 < time.monotonic() - start < 15


@on_each
def test_a_cluster_of_the_release_before_takes_and_deletes_what_has_a_key(broker):
    add(broker, "a", unique=KEY, priority=5)
    row = OrmQ.objects.using(broker.alias).get()  # as django-q2 does
    taken = OrmQ.objects.using(broker.alias).filter(pk=row.pk, lock=row.lock)
    assert taken.update(lock=timezone.now() + timedelta(seconds=30)) == 1
    assert not add(broker, "b", unique=KEY).is_new

    OrmQ.objects.using(broker.alias).filter(pk=row.pk).delete()

    assert add(broker, "b", unique=KEY).is_new
