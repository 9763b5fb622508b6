"""Indexes that can be made and dropped while the tables are in use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

#: A step that takes longer than so many seconds is followed by a pause of so many: who waits for a
#: lock of SQLite asks for it every tenth of a second.
MAX_UNNOTICED_SECONDS, WRITERS_SECONDS = 0.05, 0.3


class MadeInPlace:
    """The part of an operation that makes ``self.index``, and drops it on the way back."""

    atomic = False
    index: models.Index

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the index, in place of what an interrupted attempt left of it."""
        if model := model_in(to_state, app_label, schema_editor, self):
            make(schema_editor, model, self.index)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index."""
        if model := model_in(from_state, app_label, schema_editor, self):
            drop(schema_editor, model, self.index)


class AddIndex(MadeInPlace, migrations.AddIndex):
    """Adds an index without blocking those who write, where the database can: PostgreSQL.

    For migrations with ``atomic = False``. It may be run again after it was interrupted.
    """


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
        model = model_in(from_state, app_label, schema_editor, self)
        if model and index_exists(schema_editor, model._meta.db_table, self.name):
            drop(schema_editor, model, self.index_in(from_state, app_label))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the index again, in place of what an interrupted attempt left of it."""
        if model := model_in(to_state, app_label, schema_editor, self):
            make(schema_editor, model, self.index_in(to_state, app_label))

    def index_in(self, state: ProjectState, app_label: str) -> models.Index:
        """Find the index by its name, in a state that has it."""
        return state.models[app_label, self.model_name_lower].get_index_by_name(self.name)


class UniqueIndex(models.Index):
    """A unique index of what is not NULL.

    A database that knows no condition gets it without: its columns are empty where there is none.
    """

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        concurrently: bool = False,
    ) -> str:
        """Write the statement that makes the index."""
        quote = schema_editor.quote_name
        columns = [quote(model._meta.get_field(name).column) for name in self.fields]
        is_partial = schema_editor.connection.features.supports_partial_indexes
        where = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        return (
            f"CREATE UNIQUE INDEX {'CONCURRENTLY ' if concurrently else ''}{quote(self.name)} "
            f"ON {quote(model._meta.db_table)} ({', '.join(columns)})"
            + (f" WHERE {where}" if is_partial else "")
        )


class AddUniqueIndex(MadeInPlace, migrations.AddConstraint):
    """Adds the index of a unique constraint as ``AddIndex`` adds another one."""

    @property
    def index(self) -> models.Index:
        """The index that the constraint is in the database."""
        return UniqueIndex(fields=self.constraint.fields, name=self.constraint.name)


def model_in(
    state: ProjectState,
    app_label: str,
    schema_editor: BaseDatabaseSchemaEditor,
    operation: MadeInPlace | migrations.RemoveIndex,
) -> type[models.Model] | None:
    """Find the model of an index; None where its table is not in this database."""
    model = state.apps.get_model(app_label, operation.model_name)
    is_here = operation.allow_migrate_model(schema_editor.connection.alias, model)
    return model if is_here else None


def make(
    schema_editor: BaseDatabaseSchemaEditor, model: type[models.Model], index: models.Index
) -> None:
    """Make an index, in place of one of its name."""
    if index_exists(schema_editor, model._meta.db_table, index.name):
        drop(schema_editor, model, index)
    with writers_let_in(schema_editor):
        schema_editor.add_index(model, index, **concurrently(schema_editor))


def drop(
    schema_editor: BaseDatabaseSchemaEditor, model: type[models.Model], index: models.Index
) -> None:
    """Drop an index."""
    with writers_let_in(schema_editor):
        schema_editor.remove_index(model, index, **concurrently(schema_editor))


@contextmanager
def writers_let_in(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Let those who write have their turn on SQLite, after a step that they had to wait for."""
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    if schema_editor.connection.vendor == "sqlite" and took > MAX_UNNOTICED_SECONDS:
        time.sleep(WRITERS_SECONDS)


def concurrently(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    """Tell how to ask the database for an index that blocks nobody."""
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


def index_exists(schema_editor: BaseDatabaseSchemaEditor, table: str, name: str) -> bool:
    """Tell whether a table has an index of that name, usable or not."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        return name in connection.introspection.get_constraints(cursor, table)
