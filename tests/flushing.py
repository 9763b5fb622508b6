"""Empties what a test has filled: the cache, and where its transactions are real the tables.

Django's ``flush`` empties each table, whether or not a row is in it, and has ``post_migrate`` make
the content types and the permissions anew: more than half of the time of such a test.
"""

from __future__ import annotations

from django.core.cache import caches
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from tests.workspace import workspace

#: The tables that migrating fills, and ``flush`` after it.
MIGRATED = {"auth_permission", "django_content_type"}
#: How many rows ``flush`` leaves in each table, by the alias of the database.
_left: dict[str, dict[str, int]] = {}


def empty_tables(case: TransactionTestCase) -> None:
    """Empty the databases of a test: ``TransactionTestCase._fixture_teardown`` of this suite."""
    for alias in case._databases_names(include_mirrors=False):
        if not is_emptied(connections[alias]):
            call_command("flush", verbosity=0, interactive=False, database=alias)
            _left[alias] = rows_left(connections[alias])


def is_emptied(connection: BaseDatabaseWrapper) -> bool:
    """Empty the tables that a test has filled; whether that makes them what ``flush`` makes them.

    It does not before the first ``flush``, nor where a test has changed the tables themselves or
    the number of content types or permissions, nor where a table was not there at that ``flush``.
    """
    left = _left.get(connection.alias, {})
    if not left.keys() >= set(connection.introspection.django_table_names()):
        return False
    try:
        found = rows(connection, list(left))
        if any(found[table] != number for table, number in left.items() if number):
            return False
        empty(connection, [table for table in left if found[table] and not left[table]])
    except DatabaseError:
        return False
    return True


def rows_left(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """Count what ``flush`` has left in each table: what migrating makes, and nothing of a test."""
    found = rows(connection, existing_tables(connection))
    return {table: number if table in MIGRATED else 0 for table, number in found.items()}


def existing_tables(connection: BaseDatabaseWrapper) -> list[str]:
    """Name the tables of the models."""
    return connection.introspection.django_table_names(only_existing=True, include_views=False)


def rows(connection: BaseDatabaseWrapper, tables: list[str]) -> dict[str, int]:
    """Count the rows of tables, by one query."""
    quote = connection.ops.quote_name
    parts = (f"SELECT '{name}', COUNT(*) FROM {quote(name)}" for name in tables)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())


def empty(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    """Delete all rows of tables, and those that refer to them."""
    if tables:
        statements = connection.ops.sql_flush(no_style(), tables, allow_cascade=True)
        connection.ops.execute_sql_flush(statements)


def empty_cache() -> None:
    """Delete all that the cache of the tests holds, which is files."""
    files = workspace() / "cache"
    if files.exists() and any(files.iterdir()):
        caches["default"].clear()
