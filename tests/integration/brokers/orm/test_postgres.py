"""What is of PostgreSQL alone: connections that are cut off, and the order of its rows."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections

from tests.integration.brokers.contract.kinds import make_terms, payload_texts
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


@pytest.fixture
def scattered(broker):
    """A queue whose next rows are written behind older ones, and then before them.

    The server goes on where it has found room for the last row, and comes to the small gaps at the
    beginning of the table when there is no more.
    """
    insert = "INSERT INTO django_q_ormq (key, delivery, lock, payload) SELECT 'other', 2, NOW(), {}"
    with connections[broker.alias].cursor() as cursor:
        cursor.execute(insert.format("REPEAT('x', 900) FROM GENERATE_SERIES(1, 1200)"))
        cursor.execute("DELETE FROM django_q_ormq WHERE id % 8 = 0")  # one of a page
        cursor.execute(
            "DELETE FROM django_q_ormq WHERE id > (SELECT MAX(id) - 400 FROM django_q_ormq)"
            " AND id < (SELECT MAX(id) FROM django_q_ormq)"
        )
        cursor.execute("VACUUM django_q_ormq")
        cursor.execute(insert.format("STRING_AGG(n::text, ' ') FROM GENERATE_SERIES(1, 500) AS n"))
    return broker


def taken_texts(broker, count):
    """Take some payloads, some at a time."""
    taken = [payload_texts(broker.dequeue(count, wait=0)) for _ in range(900 // count)]
    return [text for some in taken for text in some]


@on_postgres
@pytest.mark.parametrize("count", [50, 100])
def test_many_come_in_order_wherever_the_table_keeps_them(scattered, count):
    texts = [f"{n:0600d}" for n in range(900)]

    scattered.enqueue_many(texts)

    assert taken_texts(scattered, count) == texts


@on_postgres
@pytest.mark.parametrize("count", [50, 100])
def test_many_with_terms_come_in_order_wherever_the_table_keeps_them(scattered, count):
    texts = [f"{n:0600d}" for n in range(900)]

    scattered.enqueue_tasks((text, make_terms(priority=1)) for text in texts)

    assert taken_texts(scattered, count) == texts
