"""Columns that can be added while the tables are in use."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

#: Databases whose statement is made here. Django would copy the whole table on SQLite for a default
#: in the database, and on MariaDB for the check of a JSON column.
VENDORS = ("sqlite", "mysql", "postgresql")


class AddColumn(migrations.AddField):
    """Adds a nullable column, with a constant default in the database or none, and no index.

    A column of JSON gets no check that its values are such: Django alone writes them.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Add the column at the end of the migration."""
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        if connection.vendor not in VENDORS:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(connection.alias, model):
            field, quote = model._meta.get_field(self.name), schema_editor.quote_name
            column = f"{quote(field.column)} {column_type(connection, field)}"
            # The first of them locks the table until the migration has ended, and what Django does
            # between two of them takes longer than the statements.
            schema_editor.deferred_sql.append(
                f"ALTER TABLE {quote(model._meta.db_table)} ADD COLUMN {column} NULL"
            )


def column_type(connection: Any, field: models.Field) -> str:
    """Return a column's type, and its default in the database."""
    is_json = field.get_internal_type() == "JSONField"
    # MariaDB's type "json" is this one with a check.
    is_text = is_json and getattr(connection, "mysql_is_mariadb", False)
    declared = "longtext" if is_text else field.db_type(connection)
    return f"{declared} DEFAULT {field.db_default}" if field.has_db_default() else declared
