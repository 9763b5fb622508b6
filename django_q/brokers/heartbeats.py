"""Heartbeats of clusters in a table of the database.

What an idle cluster writes is written by hand: a queryset's statement is made anew each time, for
as long as it takes to run, and the first one takes 2.5 MiB of memory in a process.
"""

from __future__ import annotations

import time
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connections, models, router, transaction

from django_q.servers.database_clock import sql_time, time_expression

#: Seconds between two clean-ups of heartbeats that are past their time.
HEARTBEAT_PRUNE_INTERVAL = 3600


def matches_pattern(key: str, pattern: str) -> bool:
    """Whether a key begins as a pattern does before its last star; others stand for themselves."""
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


class Heartbeats:
    """The heartbeats in one database; in that of the project unless told."""

    def __init__(self, alias: str | None = None) -> None:
        # By name, because brokers are imported before models may be.
        self.model = apps.get_model("django_q", "Heartbeat")
        self.alias = alias or router.db_for_write(self.model)
        self.prune_at = 0.0

    def rows(self, **conditions: Any) -> models.QuerySet:
        """Give the rows that meet conditions."""
        return self.model.objects.using(self.alias).filter(**conditions)

    def unexpired(self, **conditions: Any) -> models.QuerySet:
        """Give the rows that are not past their time."""
        return self.rows(expires__gte=time_expression(self.alias), **conditions)

    def set(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds."""
        # Nearly always one statement, and no transaction around it.
        if not self.update(key, value, timeout):
            self.insert(key, value, timeout)
        self.prune()

    def update(self, key: str, value: str, timeout: float) -> bool:
        """Replace the heartbeat of a key; False when there is none."""
        end, parameters = sql_time(connections[self.alias], timeout)
        sql = f"UPDATE {{table}} SET {{value}} = %s, {{expires}} = {end} WHERE {{key}} = %s"
        return self.execute(sql, [value, *parameters, key])

    def insert(self, key: str, value: str, timeout: float) -> bool:
        """Write the first heartbeat of a key; False when there is one."""
        end, parameters = sql_time(connections[self.alias], timeout)
        sql = f"INSERT INTO {{table}} ({{key}}, {{value}}, {{expires}}) VALUES (%s, %s, {end})"
        try:
            with transaction.atomic(self.alias):
                return self.execute(sql, [key, value, *parameters])
        except IntegrityError:
            return False

    def prune(self) -> None:
        """Delete what is past its time, now and then."""
        if time.monotonic() > self.prune_at:
            self.prune_at = time.monotonic() + HEARTBEAT_PRUNE_INTERVAL
            now, parameters = sql_time(connections[self.alias])
            self.execute(f"DELETE FROM {{table}} WHERE {{expires}} < {now}", parameters)

    def execute(self, sql: str, parameters: list) -> bool:
        """Run a statement in which the names are in braces; whether it has changed a row."""
        connection = connections[self.alias]
        quote = connection.ops.quote_name
        columns = {name: quote(name) for name in ("key", "value", "expires")}
        with connection.cursor() as cursor:
            sql = sql.format(table=quote(self.model._meta.db_table), **columns)
            cursor.execute(sql, parameters)
            return cursor.rowcount > 0

    def get(self, key: str) -> str | None:
        """Give a heartbeat; None when it is past its time."""
        return self.unexpired(key=key).values_list("value", flat=True).first()

    def find(self, pattern: str) -> list[str]:
        """Give the heartbeats whose keys match."""
        found = self.unexpired(key__startswith=pattern.removesuffix("*")).values_list(
            "key", "value"
        )
        return [value for key, value in found if matches_pattern(key, pattern)]

    def close(self) -> None:
        """Close the connection of this thread, unless a transaction goes on in it."""
        connection = connections[self.alias]
        if not connection.in_atomic_block:
            connection.close()
