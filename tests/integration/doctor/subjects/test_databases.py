"""What is wrong with a database, each on a real one."""

from __future__ import annotations

import pytest
from django.db import connection, connections
from django.db.utils import ConnectionHandler

from django_q.doctor.subjects.databases import (
    examine,
    examine_database,
    index_findings,
    sqlite_findings,
    used_databases,
)
from tests.integration.doctor.found import found
from tests.ports import free_port

pytestmark = pytest.mark.once


@pytest.fixture
def open_database(django_db_blocker):
    """Connect to a database that the project does not know."""
    opened = []

    def open_it(**options):
        handler = ConnectionHandler({"default": options})
        opened.append(handler["default"])
        return opened[0]

    with django_db_blocker.unblock():
        yield open_it
        for each in opened:
            each.close()


def sqlite(name, **options):
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(name), "OPTIONS": options}


@pytest.mark.django_db
def test_a_database_as_it_is_recommended_has_no_finding():
    assert found(examine) == {}


def test_a_new_file_lacks_migrations_and_the_options_of_sqlite(open_database, tmp_path):
    database = open_database(**sqlite(tmp_path / "new.sqlite3"))

    findings = found(lambda: examine_database(database))

    assert findings.keys() == {"migrations-missing", "sqlite-journal", "sqlite-locks"}
    assert "0001_initial" in findings["migrations-missing"].found
    assert "'delete'" in findings["sqlite-journal"].found
    assert '"transaction_mode": "IMMEDIATE", "timeout": 20' in findings["sqlite-locks"].cure


def test_a_file_with_the_options_of_sqlite_has_no_finding_of_them(open_database, tmp_path):
    options = {
        "init_command": "PRAGMA journal_mode=WAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
    }
    database = open_database(**sqlite(tmp_path / "new.sqlite3", **options))

    assert found(lambda: examine_database(database)).keys() == {"migrations-missing"}


def test_a_database_in_memory_is_found(open_database):
    database = open_database(**sqlite(":memory:"))

    assert found(lambda: sqlite_findings(database)).keys() == {"sqlite-memory"}


def test_a_server_that_is_away_is_found(open_database):
    database = open_database(
        ENGINE="django.db.backends.postgresql", HOST="127.0.0.1", PORT=free_port(), NAME="none"
    )

    assert found(lambda: examine_database(database)).keys() == {"database-unreachable"}


@pytest.mark.django_db
def test_an_index_that_somebody_has_dropped_is_found():
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX django_q_ormq_key_rank_lock")

    finding = found(lambda: index_findings(connection))["index-missing"]

    assert "django_q_ormq_key_rank_lock" in finding.found


def test_an_index_of_postgresql_that_was_not_completed_is_found(postgres):
    database = connections[postgres]
    assert found(lambda: index_findings(database)) == {}

    with database.cursor() as cursor:
        change = (
            "UPDATE pg_index SET indisvalid = %s "
            "WHERE indexrelid = 'django_q_ormq_key_rank_lock'::regclass"
        )
        cursor.execute(change, [False])
        try:
            finding = found(lambda: index_findings(database))["index-invalid"]
        finally:
            cursor.execute(change, [True])

    assert "django_q_ormq_key_rank_lock" in finding.found


def test_the_databases_of_results_the_queue_and_the_outbox_are_examined(conf):
    conf(orm="queue", outbox="orders")

    assert used_databases() == ["default", "queue", "orders"]
