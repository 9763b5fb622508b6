"""Connections to PostgreSQL that are cut off, or can not be made."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections

from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import on_postgres


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
def test_a_server_that_is_gone_is_an_error_of_the_driver(broker, monkeypatch):
    connection = connections[broker.alias]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)

    with pytest.raises(OperationalError):
        broker.enqueue("a")
    with pytest.raises(OperationalError):
        broker.dequeue(wait=0.1)
