"""Databases that take nothing for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connections

from django_q.models import Success


def run_sql(alias: str, *statements: str) -> None:
    with connections[alias].cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)


@contextlib.contextmanager
def read_only(alias: str) -> Iterator[None]:
    """Let no session write that begins a transaction meanwhile."""
    set_to = "ALTER SYSTEM SET default_transaction_read_only = {}"
    run_sql(alias, set_to.format("on"), "SELECT PG_RELOAD_CONF()")
    try:
        yield
    finally:
        writable = "SET default_transaction_read_only = off"
        run_sql(alias, writable, set_to.format("off"), "SELECT PG_RELOAD_CONF()", writable)


@contextlib.contextmanager
def unmigrated(alias: str) -> Iterator[None]:
    """Have a table without a column that the code knows, as before ``migrate``."""
    rename = "ALTER TABLE django_q_task RENAME COLUMN {} TO {}"
    run_sql(alias, rename.format("attempt_count", "later"))
    try:
        yield
    finally:
        run_sql(alias, rename.format("later", "attempt_count"))


def saved(alias: str) -> int:
    """Count the tasks that have ended well."""
    return Success.objects.using(alias).count()
