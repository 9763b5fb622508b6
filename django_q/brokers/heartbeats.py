"""Heartbeats of clusters in a table of the database."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.db import connections, models, router

from django_q.brokers.clock import expression_of_time_in, time_in

#: Seconds between two clean-ups of heartbeats that are past their time.
PRUNE_AFTER = 3600


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

    def alive(self, **conditions: Any) -> models.QuerySet:
        """Give the rows that are not past their time."""
        return self.rows(expires__gte=expression_of_time_in(self.alias), **conditions)

    def set(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds."""
        # Nearly always one statement, and no transaction around it.
        if not self.update(key, value, timeout):
            self.insert(key, value, timeout)
        self.prune()

    def update(self, key: str, value: str, timeout: float) -> bool:
        """Replace the heartbeat of a key; False when there is none.

        By hand: a queryset's statement is made anew each time, for as long as it takes to run.
        """
        connection = connections[self.alias]
        table, *names = map(
            connection.ops.quote_name, (self.model._meta.db_table, "value", "expires", "key")
        )
        end, parameters = time_in(connection, timeout)
        sql = "UPDATE {} SET {} = %s, {} = {end} WHERE {} = %s".format(table, *names, end=end)
        with connection.cursor() as cursor:
            cursor.execute(sql, [value, *parameters, key])
            return bool(cursor.rowcount)

    def insert(self, key: str, value: str, timeout: float) -> None:
        """Write the first heartbeat of a key."""
        values = {"value": value, "expires": expression_of_time_in(self.alias, timeout)}
        features = connections[self.alias].features
        self.rows().bulk_create(
            [self.model(key=key, **values)],
            update_conflicts=True,
            unique_fields=["key"] if features.supports_update_conflicts_with_target else None,
            update_fields=["value", "expires"],
        )

    def prune(self) -> None:
        """Delete what is past its time, now and then."""
        if time.monotonic() > self.prune_at:
            self.prune_at = time.monotonic() + PRUNE_AFTER
            self.rows(expires__lt=expression_of_time_in(self.alias)).delete()

    def get(self, key: str) -> str | None:
        """Give a heartbeat; None when it is past its time."""
        return self.alive(key=key).values_list("value", flat=True).first()

    def find(self, pattern: str) -> list[str]:
        """Give the heartbeats whose keys match."""
        found = self.alive(key__startswith=pattern.partition("*")[0]).values_list("key", "value")
        return [value for key, value in found if fnmatchcase(key, pattern)]

    def close(self) -> None:
        """Close the connection of this thread, unless a transaction goes on in it."""
        connection = connections[self.alias]
        if not connection.in_atomic_block:
            connection.close()
