"""Tasks that PostgreSQL adds by a prepared statement."""

from __future__ import annotations

import contextlib

import pytest
from django.db import DataError, OperationalError, connections, transaction

from django_q.brokers.orm import ORM
from django_q.brokers.orm.prepared_statements import PreparationState
from django_q.brokers.orm.table import QueueTable
from django_q.servers.connections import allows_raw_statements
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import (
    asked,
    on_each,
    on_postgres,
    statements,
)


@on_postgres
def test_a_connection_that_enqueues_once_prepares_nothing(broker):
    broker.enqueue("a")

    assert statements(broker) == []


@on_postgres
def test_what_a_prepared_statement_adds_is_delivered_as_any(prepared):
    texts = ["a", "", "ä€😀", "x" * 1_000_000]
    pks = [prepared.enqueue(text) for text in texts]
    prepared.enqueue("later", delay=60)

    deliveries = prepared.dequeue(9, wait=0)

    assert payloads(deliveries) == texts
    assert [int(delivery.ack_id.partition(".")[0]) for delivery in deliveries] == pks
    assert prepared.lock_size() == 5
    assert len(statements(prepared)) == 2


@on_postgres
def test_a_transaction_decides_although_a_statement_is_prepared(prepared):
    with transaction.atomic(prepared.alias):
        prepared.enqueue("lost")
        transaction.set_rollback(True, using=prepared.alias)

    assert prepared.queue_size() == 0


@on_postgres
def test_a_server_that_has_forgotten_a_prepared_statement_is_sent_the_whole(prepared):
    asked(prepared, "DEALLOCATE ALL")

    for payload in "abc":
        prepared.enqueue(payload)

    assert payloads(prepared.dequeue(9, wait=0)) == ["a", "b", "c"]


@on_postgres
def test_a_statement_that_was_prepared_before_a_migration_is_sent_as_a_whole(broker):
    asked(broker, "CREATE TABLE migrated (LIKE django_q_ormq INCLUDING ALL)")
    broker.table.table = "migrated"
    try:
        broker.enqueue("a")
        broker.enqueue("b")
        asked(broker, "ALTER TABLE migrated ALTER id TYPE bigint")

        broker.enqueue("c")

        assert asked(broker, "SELECT payload FROM migrated ORDER BY id") == ["a", "b", "c"]
    finally:
        asked(broker, "DROP TABLE migrated")


@on_postgres
def test_a_statement_that_another_client_has_prepared_is_left_alone(broker):
    broker.enqueue("a")
    asked(broker, f"PREPARE {broker.table.insert_statements.statements[0][0].decode()} AS SELECT 1")

    for payload in "bc":
        broker.enqueue(payload)

    assert payloads(broker.dequeue(9, wait=0)) == ["a", "b", "c"]


@on_postgres
def test_a_connection_that_speaks_another_encoding_prepares_nothing(broker):
    asked(broker, "SET client_encoding TO LATIN1")
    try:
        for _ in range(3):
            broker.enqueue("ä")

        assert payloads(broker.dequeue(9, wait=0)) == ["ä"] * 3
        assert statements(broker) == []
    finally:
        asked(broker, "RESET client_encoding")


@on_postgres
def test_queues_share_what_is_prepared(prepared):
    other = ORM("another queue")
    for _ in range(3):
        other.enqueue("a")

    assert (
        other.table.insert_statements.states[connections[prepared.alias].connection]
        is PreparationState.PREPARED
    )
    assert len(statements(prepared)) == 2
    assert (prepared.queue_size(), other.queue_size()) == (0, 3)


@on_postgres
def test_a_prepared_statement_adds_to_the_schema_of_the_moment(prepared):
    asked(prepared, "CREATE SCHEMA tenant")
    try:
        asked(prepared, "CREATE TABLE tenant.django_q_ormq (LIKE django_q_ormq INCLUDING ALL)")
        asked(prepared, "SET search_path = tenant, public")
        prepared.enqueue("theirs")
        asked(prepared, "RESET search_path")
        prepared.enqueue("ours")

        assert asked(prepared, "SELECT payload FROM tenant.django_q_ormq") == ["theirs"]
        assert asked(prepared, "SELECT payload FROM public.django_q_ormq") == ["ours"]
        assert len(statements(prepared)) == 2
    finally:
        asked(prepared, "RESET search_path")
        asked(prepared, "DROP SCHEMA tenant CASCADE")


@on_each
@pytest.mark.parametrize("name", ["cursor", "_cursor", "create_cursor"])
def test_a_backend_that_makes_its_own_cursors_makes_one_for_each_row(broker, monkeypatch, name):
    connection = connections[broker.alias]
    vars(connection).pop("cursor", None)  # Django's own, which its tests of other databases leave
    make = getattr(type(connection), name)
    made = []

    def note(self, *args):  # django-tenants chooses the schema here
        made.append(name)
        return make(self, *args)

    monkeypatch.setattr(connection, "__class__", type("Own", (type(connection),), {name: note}))
    for number in range(1, 4):
        broker.enqueue("a")

        assert len(made) >= number
    monkeypatch.undo()
    assert payloads(broker.dequeue(9, wait=0)) == ["a"] * 3


@on_postgres
def test_a_statement_is_prepared_although_tests_have_blocked_the_connection_before(
    broker, monkeypatch
):
    connection = connections[broker.alias]
    monkeypatch.setitem(vars(connection), "cursor", connection.cursor)  # as Django leaves it

    assert allows_raw_statements(connection)
    monkeypatch.setitem(vars(connection), "cursor", lambda: None)
    assert not allows_raw_statements(connection)


@on_postgres
def test_a_prepared_statement_fails_for_what_the_server_can_not_store(prepared, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(QueueTable, "fetch")  # it is not tried in the ordinary way as well
        with pytest.raises(DataError, match="0x00"):
            prepared.enqueue("a\0b")

    prepared.enqueue("c")
    assert payloads(prepared.dequeue(9, wait=0)) == ["c"]


@on_postgres
def test_a_prepared_statement_fails_with_its_connection_and_is_prepared_anew(prepared):
    (pid,) = asked(prepared, "SELECT PG_BACKEND_PID()")
    with contextlib.closing(connections[prepared.alias].copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT PG_TERMINATE_BACKEND(%s, 5000)", [pid])

    with pytest.raises(OperationalError):
        prepared.enqueue("lost")

    for payload in "abc":
        prepared.enqueue(payload)
    assert payloads(prepared.dequeue(9, wait=0)) == ["a", "b", "c"]
    assert len(statements(prepared)) == 2
