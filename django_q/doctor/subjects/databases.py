"""The databases: whether they answer, their tables and indexes, and the options of SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections, models, router
from django.db.migrations.executor import MigrationExecutor

from django_q.conf import Conf
from django_q.doctor.findings.finding import Finding, counted, error, warning
from django_q.models import Schedule, Task
from django_q.text.error_text import error_summary

APP_LABEL = "django_q"
#: What SQLite needs where several processes write.
MIN_SQLITE_TIMEOUT = 20
WRITING_TRANSACTION_MODES = ("IMMEDIATE", "EXCLUSIVE")
SQLITE_DOCS = "see 'SQLite' in the documentation of brokers"
#: Indexes of PostgreSQL that an interrupted CREATE INDEX CONCURRENTLY has left.
INVALID_INDEXES_SQL = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_class t ON t.oid = i.indrelid WHERE NOT i.indisvalid AND t.relname LIKE 'django_q_%%'"
)


def examine() -> Iterator[Finding]:
    """Look at each database that has tables of this app."""
    for alias in used_databases():
        yield from examine_database(connections[alias])


def examine_database(connection: Any) -> Iterator[Finding]:
    """Look at one database."""
    try:
        connection.ensure_connection()
    except DatabaseError as failure:
        yield error(
            "database-unreachable",
            f"The database '{connection.alias}' does not answer. {error_summary(failure)}",
            "Start its server, or correct DATABASES.",
        )
        return
    missing = list(migration_findings(connection))
    yield from missing or index_findings(connection)
    if connection.vendor == "sqlite":
        yield from sqlite_findings(connection)


def used_databases() -> list[str]:
    """Name the databases of results, schedules, the queue and the outbox, each once."""
    aliases = (router.db_for_write(Task), router.db_for_write(Schedule), Conf.ORM, Conf.OUTBOX)
    return list(dict.fromkeys(filter(None, aliases)))


def migration_findings(connection: Any) -> Iterator[Finding]:
    """Find migrations that have not run there."""
    executor = MigrationExecutor(connection)
    leaves = [key for key in executor.loader.graph.leaf_nodes() if key[0] == APP_LABEL]
    plan = [each.name for each, _ in executor.migration_plan(leaves) if each.app_label == APP_LABEL]
    if plan:
        option = "" if connection.alias == "default" else f" --database {connection.alias}"
        yield error(
            "migrations-missing",
            f"The database '{connection.alias}' lacks {counted(len(plan), 'migration')}, from "
            f"{plan[0]} on.",
            f"manage.py migrate django_q{option}, before clusters of this release start.",
        )


def index_findings(connection: Any) -> Iterator[Finding]:
    """Find indexes that somebody has dropped, or that were never completed."""
    for model in apps.get_app_config(APP_LABEL).get_models():
        if model._meta.proxy or not router.allow_migrate_model(connection.alias, model):
            continue
        with connection.cursor() as cursor:
            table = model._meta.db_table
            present = connection.introspection.get_constraints(cursor, table).keys()
        if missing := sorted(wanted_indexes(connection, model) - set(present)):
            yield warning(
                "index-missing",
                f"The table {table} of '{connection.alias}' lacks {', '.join(missing)}: its "
                "queries read all rows, or a unique key is not enforced.",
                "Make it again with the statement that manage.py sqlmigrate shows for its "
                "migration.",
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(INVALID_INDEXES_SQL)
            names = sorted(name for (name,) in cursor.fetchall())
        if names:
            yield warning(
                "index-invalid",
                f"PostgreSQL does not use {', '.join(names)}: making it was interrupted.",
                "REINDEX INDEX CONCURRENTLY, with its name.",
            )


def wanted_indexes(connection: Any, model: type[models.Model]) -> set[str]:
    """Name the indexes and unique constraints that migrations make for a model."""
    conditional = connection.features.supports_partial_indexes
    return {
        each.name
        for each in (*model._meta.indexes, *model._meta.constraints)
        if conditional or getattr(each, "condition", None) is None
    }


def sqlite_findings(connection: Any) -> Iterator[Finding]:
    """Look at what SQLite needs where several processes use a file."""
    alias, options = connection.alias, connection.settings_dict.get("OPTIONS") or {}
    if connection.is_in_memory_db():
        text = f"The database '{alias}' is in the memory of one process: no cluster sees it."
        yield error("sqlite-memory", text, "Give it the name of a file in DATABASES.")
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        journal = str(cursor.fetchone()[0]).lower()
    if journal != "wal":
        yield warning(
            "sqlite-journal",
            f"The journal of the database '{alias}' is '{journal}': who writes keeps all others "
            "from reading.",
            f'Add "init_command": "PRAGMA journal_mode=WAL" to its OPTIONS; {SQLITE_DOCS}.',
        )
    lacking = []
    if str(options.get("transaction_mode")).upper() not in WRITING_TRANSACTION_MODES:
        lacking.append('"transaction_mode": "IMMEDIATE"')
    if float(options.get("timeout") or 0) < MIN_SQLITE_TIMEOUT:
        lacking.append(f'"timeout": {MIN_SQLITE_TIMEOUT}')
    if lacking:
        yield warning(
            "sqlite-locks",
            f"The database '{alias}' has not {' and '.join(lacking)} among its OPTIONS: processes "
            "that write at once fail as 'database is locked'.",
            f"Add {', '.join(lacking)} to its OPTIONS; {SQLITE_DOCS}.",
        )
