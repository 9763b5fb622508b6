"""Who waits on PostgreSQL is told of rows by notifications, or polls."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time

import psycopg
import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.brokers.orm import queue_wait
from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.prepared_statements import PreparedStatements
from django_q.brokers.orm.queue_wait import PostgresQueueWait
from django_q.migrations import _notify
from django_q.models import OrmQ
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import asked, on_postgres, statements


def own_connection(broker):
    return {**connections[broker.alias].get_connection_params(), "autocommit": True}


@pytest.fixture
def notifications(broker):
    """A function that lists what notifications came since it was last called."""
    notes = []
    with contextlib.closing(psycopg.connect(**own_connection(broker))) as listener:
        listener.add_notify_handler(notes.append)
        listener.execute(f'LISTEN "{broker.table.channel}"')

        def read_notifications():
            notes.clear()
            listener.execute("SELECT 1")  # with the answer comes what was sent before
            return list(notes)

        yield read_notifications


@on_postgres
def test_who_waits_is_told_of_each_row_that_is_added_alone(broker, notifications):
    for payload in "abc":  # in the ordinary way, and by statements that are prepared
        broker.enqueue(payload)

        assert len(notifications()) == 1

    assert len(statements(broker)) == 2


@on_postgres
def test_who_waits_is_told_once_of_what_is_added_together(broker, notifications):
    broker.enqueue_many("abc")
    assert len(notifications()) == 1

    broker.enqueue_once("d", "key")
    assert len(notifications()) == 1

    with transaction.atomic(broker.alias):
        for payload in "ef":
            broker.enqueue(payload)
        assert notifications() == []
    assert len(notifications()) == 1


@on_postgres
def test_who_waits_is_told_of_what_is_committed_alone(broker, notifications):
    def lost():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic(broker.alias):
            broker.enqueue("lost")
            raise ZeroDivisionError

    lost()
    assert notifications() == []

    with transaction.atomic(broker.alias):
        lost()
        broker.enqueue("a")
        lost()
    assert len(notifications()) == 1
    assert payloads(broker.dequeue(9, wait=0)) == ["a"]


@on_postgres
def test_who_waits_is_told_when_a_transaction_is_committed_by_hand(broker, notifications):
    transaction.set_autocommit(False, using=broker.alias)
    try:
        broker.enqueue("a")
        transaction.commit(using=broker.alias)
    finally:
        transaction.set_autocommit(True, using=broker.alias)

    assert len(notifications()) == 1


@on_postgres
def test_what_was_added_stays_where_telling_of_it_fails(broker, caplog):
    broker.table.channel = "a name that is too long for a channel" * 2

    pks = [broker.enqueue(payload) for payload in "abc"]

    rows = OrmQ.objects.using(broker.alias).order_by("pk")
    assert list(rows.values_list("pk", "payload")) == list(zip(pks, "abc", strict=True))
    assert "channel name too long" in caplog.text


@on_postgres
def test_what_nobody_tells_of_is_found_all_the_same(broker, conf, monkeypatch):
    conf(retry=1)
    add = f"INSERT INTO django_q_ormq (key, payload, lock, delivery) VALUES ('{broker.list_key}', "
    with contextlib.closing(psycopg.connect(**own_connection(broker))) as producer:
        broker.queue_wait.prepare_wait()
        monkeypatch.setattr(
            PostgresQueueWait, "read_notifications", lambda self: pytest.fail("somebody has told")
        )
        timer = threading.Timer(0.2, producer.execute, [f"{add} 'a', NOW(), 1)"])
        timer.start()
        start = time.monotonic()

        deliveries = broker.dequeue(wait=30)

        timer.join()
    assert payloads(deliveries) == ["a"]
    assert time.monotonic() - start < 10


@on_postgres
def test_who_waits_is_told_although_the_server_has_forgotten_how(prepared, notifications):
    asked(prepared, f"DEALLOCATE {prepared.table.insert_statements.statements[1][0].decode()}")

    prepared.enqueue("a")

    assert len(notifications()) == 1
    assert payloads(prepared.dequeue(9, wait=0)) == ["a"]


@on_postgres
def test_a_connection_that_fails_behind_the_first_of_two_statements_is_made_anew(broker):
    connection = connections[broker.alias]
    both = PreparedStatements("SELECT %s::text", "SELECT PG_TERMINATE_BACKEND(PG_BACKEND_PID())")
    assert both.run(connection, [b"a"], []) is None  # the connection is seen for the first time

    assert both.run(connection, [b"a"], []) == [b"a", None]

    assert asked(broker, "SELECT 1") == [1]


@on_postgres
def test_an_idle_wait_on_postgresql_asks_next_to_nothing(broker):
    broker.dequeue(wait=0.1)  # listens from now on

    with CaptureQueriesContext(connections[broker.alias]) as queries:
        broker.dequeue(wait=0.5)

    assert len(queries) <= 3


@on_postgres
def test_who_waits_on_postgresql_hears_of_a_producer_of_django_q2(broker):
    broker.dequeue(wait=0.1)  # listens from now on

    def produce():
        OrmQ.objects.using(broker.alias).create(key="test", payload="a", lock=timezone.now())
        connections[broker.alias].close()

    thread = threading.Timer(0.2, produce)
    thread.start()

    start = time.monotonic()
    assert payloads(broker.dequeue(wait=20)) == ["a"]
    assert time.monotonic() - start < 10
    thread.join()


@on_postgres
def test_the_broker_polls_a_table_made_without_migrations(broker, caplog):
    connection = connections[broker.alias]
    with connection.schema_editor() as editor:
        _notify.drop(None, editor)
    try:
        assert broker.dequeue(wait=0.2) == []
    finally:
        with connection.schema_editor() as editor:
            _notify.create(None, editor)

    assert broker.queue_wait.listener is None
    assert "without migrations" in caplog.text


@on_postgres
def test_a_listener_that_is_cut_off_listens_again(broker, monkeypatch):
    monkeypatch.setattr(queue_wait, "LISTEN_RETRY_INTERVAL", 0)
    broker.dequeue(wait=0.1)
    pid = broker.queue_wait.listener.info.backend_pid
    connection = connections[broker.alias]
    with connection.cursor() as cursor:
        cursor.execute("SELECT PG_TERMINATE_BACKEND(%s, 60000)", [pid])

    assert broker.dequeue(wait=0.3) == []

    assert broker.queue_wait.listener.info.backend_pid != pid


@on_postgres
def test_the_broker_polls_where_notifications_do_not_arrive(broker, monkeypatch, caplog):
    monkeypatch.setattr(queue_wait, "NOTIFICATION_TEST_TIMEOUT", 0.1)
    monkeypatch.setattr(PostgresTable, "notify", lambda self: None)

    assert broker.dequeue(wait=0.2) == []

    assert broker.queue_wait.listener is None
    assert "do not arrive" in caplog.text
    broker.enqueue("a")
    assert payloads(broker.dequeue(wait=1)) == ["a"]


@on_postgres
def test_the_broker_polls_with_another_driver(broker, monkeypatch):
    monkeypatch.setattr(connections[broker.alias], "Database", sqlite3)

    assert PostgresQueueWait(broker.table).can_listen is False
