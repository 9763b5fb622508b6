"""A trigger by which PostgreSQL tells who waits that a task was enqueued, whoever enqueued it."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: One notification for each queue that a statement adds to, on the channel that
#: ``PostgresTable.channel`` names.
FUNCTION = """
CREATE OR REPLACE FUNCTION django_q_ormq_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'django_q_' || left(encode(sha256(convert_to(queue.key, 'UTF8')), 'hex'), 16), ''
    ) FROM (SELECT DISTINCT key FROM added) AS queue;
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER django_q_ormq_notify AFTER INSERT ON django_q_ormq
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION django_q_ormq_notify()
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the trigger, where the database is PostgreSQL."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
        schema_editor.execute(TRIGGER)


def drop(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the trigger away."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION IF EXISTS django_q_ormq_notify CASCADE")
