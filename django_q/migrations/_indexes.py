"""Indexes that can be made and dropped while the tables are in use."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndex(migrations.AddIndex):
    """Adds an index without blocking those who write, where the database can: PostgreSQL.

    For migrations with ``atomic = False``. It may be run again after it was interrupted.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the index, in place of what an interrupted attempt left of it."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if index_exists(schema_editor, model._meta.db_table, self.index.name):
            schema_editor.remove_index(model, self.index, **concurrently(schema_editor))
        schema_editor.add_index(model, self.index, **concurrently(schema_editor))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.remove_index(model, self.index, **concurrently(schema_editor))


class RemoveIndex(migrations.RemoveIndex):
    """Drops an index without blocking those who write, where the database can: PostgreSQL.

    For migrations with ``atomic = False``. An index that somebody has dropped already is none to
    drop.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if index_exists(schema_editor, model._meta.db_table, self.name):
            index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
            schema_editor.remove_index(model, index, **concurrently(schema_editor))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the index again."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        schema_editor.add_index(model, index, **concurrently(schema_editor))


def concurrently(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    """Tell how to ask the database for an index that blocks nobody."""
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


def index_exists(schema_editor: BaseDatabaseSchemaEditor, table: str, name: str) -> bool:
    """Tell whether a table has an index of that name, usable or not."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        return name in connection.introspection.get_constraints(cursor, table)
