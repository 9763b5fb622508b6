"""Columns of names and ids, which may be any text: what a database does not take is replaced."""

from __future__ import annotations

from typing import Any

from django.db import models

from django_q.text.storable import storable_text


class StorableCharField(models.CharField):
    """A field for names and ids as people give them.

    A text that is saved, or looked up, has question marks for the characters that the database of
    the connection refuses, which would be an error of its driver.
    """

    def deconstruct(self) -> Any:
        """Appear as the base class in migrations, because the column is the same."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Prepare a value for a row or a condition."""
        value = super().get_db_prep_value(value, connection, prepared)
        if not isinstance(value, str) or (value.isascii() and "\x00" not in value):
            return value
        refuses_nul = connection.features.prohibits_null_characters_in_text_exception
        return storable_text(value, takes_nul=not refuses_nul)
