"""The statements by which rows of the queue are leased, and what they cost."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connections, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.models import OrmQ
from tests.integration.brokers.orm.databases import on_each, on_postgres


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
    broker.enqueue_many(["x" * 100] * 60_000)
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
@pytest.mark.parametrize("left", [None, 0, 1, 3, 20])
def test_a_long_queue_on_postgresql_is_not_read_or_sorted_for_each_take(broker, left):
    run_on(broker, f"TRUNCATE {OrmQ._meta.db_table}")  # as if it were new, and never analysed
    if left is not None:
        leave_pages_to_few_rows(broker, left)
    for _ in range(60):
        broker.enqueue_many(["x" * 100] * 1000)
    connection = connections[broker.alias]

    with CaptureQueriesContext(connection) as queries:
        broker.dequeue(500, wait=0)
    plan = "\n".join(row[0] for row in run_on(broker, f"EXPLAIN {queries[-1]['sql']}"))

    broker.delete_queue()
    assert "Index Scan using django_q_ormq_key_rank_lock" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
