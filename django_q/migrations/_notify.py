"""A trigger by which PostgreSQL tells who waits of tasks whose producer does not tell."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: Notifies on the channel that ``PostgresTable.channel`` names.
FUNCTION = """
CREATE OR REPLACE FUNCTION django_q_ormq_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(
        'django_q_' || left(encode(sha256(convert_to(NEW.key, 'UTF8')), 'hex'), 16), ''
    );
    RETURN NULL;
END $$
"""
#: ``PostgresTable`` notifies by itself, which takes a third of the time, and counts from one.
TRIGGER = """
CREATE OR REPLACE TRIGGER django_q_ormq_notify AFTER INSERT ON django_q_ormq
FOR EACH ROW WHEN (NEW.delivery = 0) EXECUTE FUNCTION django_q_ormq_notify()
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
