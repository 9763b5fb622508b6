"""The broker on SQLite: locks, journals and old versions."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from django.db import OperationalError, connections, transaction

from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import SQLITE, sqlite_only

on_sqlite = pytest.mark.parametrize("broker", [SQLITE], indirect=True)


def pragma(alias, name):
    with connections[alias].cursor() as cursor:
        return cursor.execute(f"PRAGMA {name}").fetchone()[0]


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
