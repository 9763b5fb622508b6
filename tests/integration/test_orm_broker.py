"""What is particular to the broker in a database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, DataError, OperationalError, connections, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.brokers import get_broker
from django_q.brokers.orm import ORM, queue_wait
from django_q.brokers.orm.postgres import PostgresTable
from django_q.brokers.orm.prepared_statements import PreparationState, PreparedStatements
from django_q.brokers.orm.queue_wait import PostgresQueueWait
from django_q.brokers.orm.sqlite import SqliteTable
from django_q.brokers.orm.table import QueueTable
from django_q.migrations import _notify
from django_q.models import Heartbeat, OrmQ
from tests.servers import wait_until

SQLITE = pytest.param("orm", marks=pytest.mark.django_db(transaction=True))


@pytest.fixture
def broker(request, conf, make_broker):
    """The ORM broker on each database, or on the one that a test asks for."""
    conf(retry=30)
    return make_broker(request.param)


on_each = pytest.mark.parametrize("broker", [SQLITE, "postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("broker", [SQLITE], indirect=True)
sqlite_only = pytest.mark.skipif(
    connections["default"].vendor != "sqlite", reason="the tests' database is another"
)
on_postgres = pytest.mark.parametrize("broker", ["postgres"], indirect=True)


@pytest.fixture
def plain_sqlite(conf, tmp_path, django_db_blocker):
    """A function that makes a SQLite file, with Django's defaults but for the options given."""
    with django_db_blocker.unblock():

        def make(**options):
            settings = {
                "default": {},
                "plain": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(tmp_path / "plain.sqlite3"),
                    "OPTIONS": options,
                },
            }
            connections.settings["plain"] = connections.configure_settings(settings)["plain"]
            conf(orm="plain", retry=30)
            with connections["plain"].schema_editor() as editor:
                editor.create_model(OrmQ)
                editor.create_model(Heartbeat)
            return get_broker()

        yield make
        connections["plain"].close()
        del connections["plain"]
        del connections.settings["plain"]


def payloads(deliveries):
    return [delivery.payload for delivery in deliveries]


def pragma(alias, name):
    with connections[alias].cursor() as cursor:
        return cursor.execute(f"PRAGMA {name}").fetchone()[0]


@on_each
def test_a_row_of_a_django_q2_producer_is_delivered(broker):
    OrmQ.objects.using(broker.alias).create(key="test", payload="a", lock=timezone.now())

    (delivery,) = broker.dequeue(wait=1)

    assert (delivery.payload, delivery.attempt) == ("a", 1)
    assert broker.acknowledge(delivery.ack_id) is True


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
def test_who_waits_at_an_empty_queue_does_not_look_at_the_clock(broker):
    connection = connections[broker.alias]
    if connection.vendor == "mysql":
        pytest.skip("what polls does not ask whether there is more")
    assert broker.dequeue(wait=0.1) == []
    broker.clock_watch.next_check = 0

    with CaptureQueriesContext(connection) as queries:
        assert broker.dequeue(wait=0.1) == []
    assert not any("heartbeat" in query["sql"] for query in queries)

    broker.enqueue("a", delay=60)
    assert broker.dequeue(wait=0.1) == []
    with CaptureQueriesContext(connection) as queries:
        assert broker.dequeue(wait=0.1) == []
    assert sum("heartbeat" in query["sql"] for query in queries) == 1


@on_postgres
def test_who_is_no_longer_notified_looks_at_the_clock(broker, monkeypatch):
    assert broker.dequeue(wait=0.1) == []
    assert broker.queue_wait.is_empty is True
    broker.queue_wait.close()
    monkeypatch.setattr(broker.queue_wait, "can_listen", False)

    assert broker.dequeue(wait=0.1) == []

    assert broker.queue_wait.is_empty is False


@on_each
def test_a_step_is_one_statement(broker):
    connection = connections[broker.alias]
    if connection.vendor == "mysql":
        pytest.skip("its statements do not return rows")
    broker.enqueue("warm")
    broker.acknowledge_many([d.ack_id for d in broker.dequeue(1, wait=0)])
    broker.clock_watch.next_check = time.monotonic() + 60  # that is looked at now and then

    with CaptureQueriesContext(connection) as queries:
        broker.enqueue("a")
        deliveries = broker.dequeue(100, wait=0)
        broker.extend([d.ack_id for d in deliveries], 60)
        broker.acknowledge_many([d.ack_id for d in deliveries])

    told = connection.vendor == "postgresql"  # those who wait, by a statement of its own
    assert len(queries) == 4 + told


@on_sqlite
@sqlite_only
def test_a_locked_sqlite_database_is_waited_for(broker):
    connection = connections[broker.alias]
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout=0")
    other = sqlite3.connect(connection.settings_dict["NAME"], check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.rollback)
    timer.start()

    broker.enqueue("a")

    timer.join()
    other.close()
    assert payloads(broker.dequeue(wait=0)) == ["a"]


@on_sqlite
@sqlite_only
def test_inside_a_transaction_a_locked_database_is_the_callers_matter(broker):
    connection = connections[broker.alias]
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout=0")
    other = sqlite3.connect(connection.settings_dict["NAME"])
    other.execute("BEGIN IMMEDIATE")
    connection.transaction_mode = "DEFERRED"

    with pytest.raises(OperationalError, match="locked"), transaction.atomic(broker.alias):
        broker.enqueue("a")

    other.close()
    connection.close()
    del connections[broker.alias]


def test_a_sqlite_file_is_switched_to_its_write_ahead_log(plain_sqlite):
    broker = plain_sqlite()

    broker.enqueue("a")

    assert pragma("plain", "journal_mode") == "wal"
    assert pragma("plain", "synchronous") == 2
    assert payloads(broker.dequeue(wait=0)) == ["a"]


def test_a_journal_that_the_settings_choose_is_kept(plain_sqlite):
    broker = plain_sqlite(init_command="PRAGMA journal_mode=DELETE")

    broker.enqueue("a")

    assert pragma("plain", "journal_mode") == "delete"


def test_a_sqlite_older_than_returning_works_too(plain_sqlite, monkeypatch):
    broker = plain_sqlite()
    monkeypatch.setattr(connections["plain"].Database, "sqlite_version_info", (3, 34, 1))
    broker.enqueue("a")
    broker.enqueue("b")

    (delivery,) = broker.dequeue(wait=0)

    assert broker.acknowledge(delivery.ack_id) is True
    assert broker.acknowledge(delivery.ack_id) is False
    assert payloads(broker.dequeue(9, wait=0)) == ["b"]


def elsewhere(deed):
    """Run a function on connections of its own, after a moment. Returns its thread."""

    def run():
        deed()
        connections["plain"].close()

    thread = threading.Timer(0.2, run)
    thread.start()
    return thread


def wait_for_what_comes_from_elsewhere(broker):
    """Wait for a task that is enqueued meanwhile, and see that it is there long before the end."""
    thread = elsewhere(lambda: ORM(broker.list_key).enqueue("a"))

    start = time.monotonic()
    deliveries = broker.dequeue(wait=30)

    thread.join()
    assert payloads(deliveries) == ["a"]
    assert time.monotonic() - start < 10


@pytest.mark.skipif(sys.platform != "linux", reason="it is the kernel of Linux that tells")
@pytest.mark.parametrize("journal", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_who_waits_on_sqlite_hears_of_a_write_from_the_kernel(plain_sqlite, monkeypatch, journal):
    for name in ("MAX_COUNTER_INTERVAL", "MAX_NOTIFIED_COUNTER_INTERVAL"):
        monkeypatch.setattr(queue_wait, name, 60)
    broker = plain_sqlite(init_command=f"PRAGMA journal_mode={journal}")

    wait_for_what_comes_from_elsewhere(broker)


def test_sqlite_is_asked_again_and_again_where_no_kernel_tells(plain_sqlite, monkeypatch):
    def no_inotify():
        raise OSError("Too many open files")

    monkeypatch.setattr(queue_wait, "Inotify", no_inotify)
    broker = plain_sqlite()

    wait_for_what_comes_from_elsewhere(broker)


def test_a_kernel_that_does_not_tell_of_a_write_is_not_relied_on(plain_sqlite, monkeypatch):
    monkeypatch.setattr(SqliteTable, "files", [])
    monkeypatch.setattr(queue_wait, "MAX_NOTIFIED_COUNTER_INTERVAL", 0.1)
    broker = plain_sqlite()

    def is_given_up():
        thread = elsewhere(lambda: ORM(broker.list_key).enqueue("a"))
        deliveries = broker.dequeue(wait=30)
        thread.join()
        assert payloads(deliveries) == ["a"]
        return broker.queue_wait.inotify is None

    broker.enqueue("first")
    assert payloads(broker.dequeue(wait=0)) == ["first"]
    wait_until(is_given_up)  # not by a write that comes before it has rested, as on a busy machine


def test_writes_that_bring_nothing_are_looked_at_now_and_then(plain_sqlite, monkeypatch):
    broker = plain_sqlite()
    broker.enqueue("first")
    over = threading.Event()

    def write():
        while not over.is_set():
            ORM("another queue").enqueue("x")

    looks = []
    take = SqliteTable.take
    monkeypatch.setattr(SqliteTable, "take", lambda *args: looks.append(1) or take(*args))
    thread = elsewhere(write)

    deliveries = [*broker.dequeue(wait=0), *broker.dequeue(wait=2)]

    over.set()
    thread.join()
    assert payloads(deliveries) == ["first"]
    assert 2 < len(looks) < 100  # of some thousand writes


@pytest.fixture
def prepared(broker):
    """The broker on PostgreSQL, whose connection has its INSERT prepared."""
    for _ in range(2):
        broker.enqueue("first")
    assert len(statements(broker)) == 2
    broker.delete_queue()
    return broker


def statements(broker):
    return asked(broker, "SELECT name FROM pg_prepared_statements")


def asked(broker, sql, *parameters):
    """Run a statement in the ordinary way. Returns the first column of what it gives."""
    with connections[broker.alias].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


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


def own_connection(broker):
    return {**connections[broker.alias].get_connection_params(), "autocommit": True}


@pytest.fixture
def heard(broker):
    """A function that lists what notifications came since it was last called."""
    notes = []
    with contextlib.closing(psycopg.connect(**own_connection(broker))) as listener:
        listener.add_notify_handler(notes.append)
        listener.execute(f'LISTEN "{broker.table.channel}"')

        def hear():
            notes.clear()
            listener.execute("SELECT 1")  # with the answer comes what was sent before
            return list(notes)

        yield hear


@on_postgres
def test_who_waits_is_told_of_each_row_that_is_added_alone(broker, heard):
    for payload in "abc":  # in the ordinary way, and by statements that are prepared
        broker.enqueue(payload)

        assert len(heard()) == 1

    assert len(statements(broker)) == 2


@on_postgres
def test_who_waits_is_told_once_of_what_is_added_together(broker, heard):
    broker.enqueue_many("abc")
    assert len(heard()) == 1

    broker.enqueue_once("d", "key")
    assert len(heard()) == 1

    with transaction.atomic(broker.alias):
        for payload in "ef":
            broker.enqueue(payload)
        assert heard() == []
    assert len(heard()) == 1


@on_postgres
def test_who_waits_is_told_of_what_is_committed_alone(broker, heard):
    def lost():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic(broker.alias):
            broker.enqueue("lost")
            raise ZeroDivisionError

    lost()
    assert heard() == []

    with transaction.atomic(broker.alias):
        lost()
        broker.enqueue("a")
        lost()
    assert len(heard()) == 1
    assert payloads(broker.dequeue(9, wait=0)) == ["a"]


@on_postgres
def test_who_waits_is_told_when_a_transaction_is_committed_by_hand(broker, heard):
    transaction.set_autocommit(False, using=broker.alias)
    try:
        broker.enqueue("a")
        transaction.commit(using=broker.alias)
    finally:
        transaction.set_autocommit(True, using=broker.alias)

    assert len(heard()) == 1


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
def test_who_waits_is_told_although_the_server_has_forgotten_how(prepared, heard):
    asked(prepared, f"DEALLOCATE {prepared.table.insert_statements.statements[1][0].decode()}")

    prepared.enqueue("a")

    assert len(heard()) == 1
    assert payloads(prepared.dequeue(9, wait=0)) == ["a"]


@on_postgres
def test_a_connection_that_fails_behind_the_first_of_two_statements_is_made_anew(broker):
    connection = connections[broker.alias]
    both = PreparedStatements("SELECT %s::text", "SELECT PG_TERMINATE_BACKEND(PG_BACKEND_PID())")
    assert both.run(connection, [b"a"], []) is None  # the connection is seen for the first time

    assert both.run(connection, [b"a"], []) == [b"a", None]

    assert asked(broker, "SELECT 1") == [1]


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
    assert "Index Scan using django_q_ormq_key_lock" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


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
def test_a_connection_that_is_cut_off_is_made_again(broker):
    broker.enqueue("a")
    connection = connections[broker.alias]
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT PG_TERMINATE_BACKEND(PG_BACKEND_PID())")

    with pytest.raises(OperationalError):
        broker.dequeue(wait=0)

    assert payloads(broker.dequeue(wait=0)) == ["a"]


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


@on_postgres
def test_a_server_that_is_gone_is_an_error_of_the_driver(broker, monkeypatch):
    connection = connections[broker.alias]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)

    with pytest.raises(OperationalError):
        broker.enqueue("a")
    with pytest.raises(OperationalError):
        broker.dequeue(wait=0.1)


def set_back_by_an_hour(broker):
    """Leave in the table what setting the clock back leaves: times that are an hour ahead."""
    ahead = timedelta(hours=1)
    rows = OrmQ.objects.using(broker.alias).exclude(payload="later")
    rows.update(lock=models.F("lock") + ahead)
    Heartbeat.objects.using(broker.alias).update(expires=models.F("expires") + ahead)


@on_each
def test_a_queue_goes_on_although_the_clock_was_set_back(broker):
    broker.enqueue("waits")
    broker.enqueue("later", delay=86400)
    broker.clock_watch.check_if_due()
    rows = OrmQ.objects.using(broker.alias)
    later = rows.get(payload="later").lock
    set_back_by_an_hour(broker)
    broker.clock_watch.next_check = 0

    found = broker.dequeue(wait=30)

    assert payloads(found) == ["waits"]
    assert rows.get(payload="later").lock == later


@on_each
def test_who_waits_for_tasks_notices_that_the_clock_was_set_back(broker, conf):
    conf(retry=1)
    broker.enqueue("waits")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    reader, writer = os.pipe()
    broker.wake_fd = reader

    found: list = []
    wait_until(lambda: found.extend(broker.dequeue()) or found)

    os.close(writer)
    os.close(reader)
    assert payloads(found) == ["waits"]


@on_each
def test_a_clock_that_is_set_back_while_all_workers_are_busy_is_noticed(broker):
    broker.enqueue("long")
    (long,) = broker.dequeue(wait=0)
    broker.enqueue("waits")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    broker.clock_watch.next_check = 0

    assert broker.extend([long.ack_id], 30) == set()

    assert payloads(broker.dequeue(9, wait=0)) == ["waits"]


@on_each
def test_what_was_leased_since_the_clock_was_set_back_stays_leased(broker):
    broker.enqueue("before")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    broker.enqueue("since")
    assert payloads(broker.dequeue(9, wait=0)) == ["since"]
    broker.clock_watch.next_check = 0

    assert payloads(broker.dequeue(9, wait=30)) == ["before"]
