"""What is particular to the broker in a database."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.brokers import get_broker
from django_q.models import Heartbeat, OrmQ
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import on_each


@on_each
def test_a_row_of_a_django_q2_producer_is_delivered(broker):
    OrmQ.objects.using(broker.alias).create(key="test", payload="a", lock=timezone.now())

    (delivery,) = broker.dequeue(wait=1)

    assert (delivery.payload, delivery.attempt) == ("a", 1)
    assert broker.acknowledge(delivery.ack_id) is True


@on_each
def test_what_a_django_q2_cluster_has_is_taken_when_its_time_is_over(broker):
    broker.enqueue("a")
    OrmQ.objects.using(broker.alias).update(lock=timezone.now() + timedelta(seconds=1))

    assert broker.dequeue(wait=0.1) == []
    assert payloads(broker.dequeue(wait=30)) == ["a"]


@on_each
def test_a_row_without_a_time_is_left_alone(broker):
    OrmQ.objects.using(broker.alias).create(key="test", payload="a", lock=None)

    assert broker.dequeue(wait=0.2) == []


@on_each
def test_what_is_enqueued_in_a_transaction_comes_with_its_commit(broker):
    with transaction.atomic(broker.alias):
        broker.enqueue("lost")
        broker.enqueue_many(["lost too"])
        transaction.set_rollback(True, using=broker.alias)
    with transaction.atomic(broker.alias):
        broker.enqueue("kept")

    assert payloads(broker.dequeue(9, wait=0)) == ["kept"]


@on_each
def test_many_are_enqueued_all_or_none(broker):
    with pytest.raises(Exception, match=r"null|NULL|NoneType"):
        broker.enqueue_many(["a", None, "b"])

    assert broker.queue_size() == 0


@on_each
def test_many_are_enqueued_without_the_columns_of_terms(broker):
    with CaptureQueriesContext(connections[broker.alias]) as queries:
        ids = broker.enqueue_many(["a", "b"])

    (insert,) = [query["sql"] for query in queries if "INSERT" in query["sql"]]
    assert "task_id" not in insert
    assert "lane" not in insert
    assert len(set(ids)) == 2
    assert payloads(broker.dequeue(9, wait=0)) == ["a", "b"]


@on_each
def test_times_are_right_without_time_zones(broker, settings, conf):
    alias = broker.alias
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    conf(orm=alias, retry=30)
    broker.close()
    broker.enqueue("a")
    broker.enqueue("later", delay=1)

    (delivery,) = broker.dequeue(9, wait=0)
    assert broker.lock_size() == 2
    assert payloads(broker.dequeue(9, wait=30)) == ["later"]
    assert broker.release([delivery.ack_id]) == set()
    assert payloads(broker.dequeue(9, wait=0)) == ["a"]
    broker.set_stat("key", "beat", 30)
    assert broker.get_stat("key") == "beat"
    broker.close()


@on_each
def test_heartbeats_of_the_dead_are_cleaned_up(broker):
    broker.set_stat("dead", "beat", -10)

    get_broker().set_stat("alive", "beat", 10)

    assert list(Heartbeat.objects.using(broker.alias).values_list("key", flat=True)) == ["alive"]


@on_each
def test_a_heartbeat_that_another_process_has_just_begun_stands(broker):
    assert broker.heartbeats.insert("key", "first", 10) is True

    with transaction.atomic(broker.alias):
        assert broker.heartbeats.insert("key", "second", 10) is False

    assert broker.get_stat("key") == "first"


@on_each
def test_enqueueing_returns_the_id_of_the_row(broker):
    pks = [broker.enqueue(payload) for payload in "abc"]

    rows = OrmQ.objects.using(broker.alias).order_by("pk")
    assert list(rows.values_list("pk", "payload")) == list(zip(pks, "abc", strict=True))


@on_each
def test_who_counts_or_wraps_statements_sees_what_is_enqueued(broker, monkeypatch):
    connection = connections[broker.alias]
    for _ in range(2):
        broker.enqueue("a")
    seen = []

    def wrapper(execute, sql, parameters, many, context):
        seen.append(sql)
        return execute(sql, parameters, many, context)

    with CaptureQueriesContext(connection) as queries:
        broker.enqueue("a")
    with connection.execute_wrapper(wrapper):
        broker.enqueue("a")
    monkeypatch.setattr(connection, "cursor", lambda: seen.append("") or connection._cursor())
    broker.enqueue("a")

    told = connection.vendor == "postgresql"
    assert len(queries) == 1 + told
    assert len(seen) == 2 * (1 + told)


@on_each
def test_nothing_is_enqueued_where_django_refuses_any_statement(broker):
    for _ in range(2):
        broker.enqueue("a")
    broker.delete_queue()

    async def enqueue():
        broker.enqueue("a")

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(enqueue())

    assert broker.queue_size() == 0


@on_each
def test_the_connection_of_another_thread_is_not_used(broker):
    for _ in range(2):
        broker.enqueue("a")
    connection = connections[broker.alias]
    errors = []

    def enqueue():
        connections[broker.alias] = connection
        try:
            broker.enqueue("a")
        except DatabaseError as error:
            errors.append(str(error))

    thread = threading.Thread(target=enqueue)
    thread.start()
    thread.join()

    assert [error for error in errors if "created in a thread" in error]
    assert broker.queue_size() == 2
