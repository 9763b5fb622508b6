"""Heartbeats of clusters in a table of the database.

The statements that an idle cluster runs are written in SQL: a queryset composes its statement each
time, which takes as long as running it, and the first one takes 2.5 MiB of memory in a process.
"""

from __future__ import annotations

import time
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connections, models, router, transaction

from django_q.servers.database_clock import sql_time, time_expression

#: Seconds between two deletions of expired heartbeats.
HEARTBEAT_PRUNE_INTERVAL = 3600


def matches_pattern(key: str, pattern: str) -> bool:
    """Return True if a key matches: only a star at the end of a pattern is a wildcard."""
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


class Heartbeats:
    """The heartbeats in one database: that of ``alias``, or the project's for this model."""

    def __init__(self, alias: str | None = None) -> None:
        # By name, because brokers are imported before models may be.
        self.model = apps.get_model("django_q", "Heartbeat")
        self.alias = alias or router.db_for_write(self.model)
        self.prune_at = 0.0

    def rows(self, **conditions: Any) -> models.QuerySet:
        """Return a queryset of heartbeats, expired ones too."""
        return self.model.objects.using(self.alias).filter(**conditions)

    def unexpired(self, **conditions: Any) -> models.QuerySet:
        """Return a queryset of heartbeats that have not expired."""
        return self.rows(expires__gte=time_expression(self.alias), **conditions)

    def set(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds."""
        # Nearly always one statement, and no transaction around it.
        if not self.update(key, value, timeout):
            self.insert(key, value, timeout)
        self.prune()

    def update(self, key: str, value: str, timeout: float) -> bool:
        """Replace the heartbeat of a key. Returns False when there is none."""
        end, parameters = sql_time(connections[self.alias], timeout)
        sql = f"UPDATE {{table}} SET {{value}} = %s, {{expires}} = {end} WHERE {{key}} = %s"
        return self.execute(sql, [value, *parameters, key])

    def insert(self, key: str, value: str, timeout: float) -> bool:
        """Write the first heartbeat of a key. Returns False when there is one."""
        end, parameters = sql_time(connections[self.alias], timeout)
        sql = f"INSERT INTO {{table}} ({{key}}, {{value}}, {{expires}}) VALUES (%s, %s, {end})"
        try:
            with transaction.atomic(self.alias):
                return self.execute(sql, [key, value, *parameters])
        except IntegrityError:
            return False

    def prune(self) -> None:
        """Delete expired heartbeats, once an hour at most."""
        if time.monotonic() > self.prune_at:
            self.prune_at = time.monotonic() + HEARTBEAT_PRUNE_INTERVAL
            now, parameters = sql_time(connections[self.alias])
            self.execute(f"DELETE FROM {{table}} WHERE {{expires}} < {now}", parameters)

    def execute(self, sql: str, parameters: list) -> bool:
        """Run SQL with table and columns in braces. Returns whether it has changed a row."""
        connection = connections[self.alias]
        quote = connection.ops.quote_name
        columns = {name: quote(name) for name in ("key", "value", "expires")}
        with connection.cursor() as cursor:
            sql = sql.format(table=quote(self.model._meta.db_table), **columns)
            cursor.execute(sql, parameters)
            return cursor.rowcount > 0

    def get(self, key: str) -> str | None:
        """Return the heartbeat of a key; None when it has expired."""
        return self.unexpired(key=key).values_list("value", flat=True).first()

    def find(self, pattern: str) -> list[str]:
        """Return the heartbeats whose keys match."""
        found = self.unexpired(key__startswith=pattern.removesuffix("*")).values_list(
            "key", "value"
        )
        return [value for key, value in found if matches_pattern(key, pattern)]

    def close(self) -> None:
        """Close this thread's connection, unless it has an open transaction."""
        connection = connections[self.alias]
        if not connection.in_atomic_block:
            connection.close()
