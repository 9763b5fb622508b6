"""The databases of the broker, and what is read from them."""

from __future__ import annotations

import pytest
from django.db import connections

SQLITE = pytest.param("orm", marks=pytest.mark.django_db(transaction=True))


on_each = pytest.mark.parametrize("broker", [SQLITE, "postgres"], indirect=True)


sqlite_only = pytest.mark.skipif(
    connections["default"].vendor != "sqlite", reason="the tests' database is another"
)


on_postgres = pytest.mark.parametrize("broker", ["postgres"], indirect=True)


def statements(broker):
    return asked(broker, "SELECT name FROM pg_prepared_statements")


def asked(broker, sql, *parameters):
    """Run a statement in the ordinary way. Returns the first column of what it gives."""
    with connections[broker.alias].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []
