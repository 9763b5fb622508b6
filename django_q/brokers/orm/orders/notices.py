"""Notices: short texts about a queue, which its clusters read."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5
from typing import Any

from django.db import models

from django_q.brokers.contract.orders import NOTICE_SECONDS, Notices, too_many_notices
from django_q.brokers.orm.leases.receipts import MAX_IDS_PER_STATEMENT, batched
from django_q.brokers.orm.orders.holds import NOTICES_PREFIX
from django_q.models import Notice, QueueOrder
from django_q.servers.database_clock import epoch_seconds
from django_q.servers.statement_retry import retry_on_conflict


class QueueNotices:
    """The notices of one queue, and their version, which is in a row that takes ask for."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.name = NOTICES_PREFIX + table.key

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when it is repeated."""
        return self.table.may_repeat(error)

    @property
    def orders(self) -> models.QuerySet:
        """A queryset of the row of the version."""
        return QueueOrder.objects.using(self.table.alias).filter(name=self.name)

    def unexpired(self) -> models.QuerySet:
        """Return a queryset of the notices that are not over."""
        rows = Notice.objects.using(self.table.alias).filter(queue=self.table.key)
        return rows.filter(expires__gt=self.table.time_expression())

    def digest(self, key: str) -> str:
        """Return the digest of a notice's key in this queue."""
        text = f"{self.table.key}:{key}".encode("utf-8", "surrogatepass")
        return md5(text, usedforsecurity=False).hexdigest()

    @retry_on_conflict
    def post(self, key: str, text: str, seconds: float, most: int) -> None:
        """Post a notice, or replace that of the key, unless there are ``most`` others."""
        digest = self.digest(key)
        notice = Notice(
            digest=digest,
            queue=self.table.key,
            key=key,
            text=text,
            posted=self.table.time_expression(),
            expires=self.table.time_expression(min(seconds, NOTICE_SECONDS)),
        )
        with self.table.transaction():
            self.change_version()
            others = self.unexpired().exclude(digest=digest).count()
            if others >= most:
                raise too_many_notices(others)
            rows = Notice.objects.using(self.table.alias)
            rows.filter(digest=digest).delete()
            rows.bulk_create([notice])
        self.table.notify_after_commit()

    def change_version(self) -> None:
        """Change the version, within a transaction that posts a notice."""
        changes = {"version": models.F("version") + 1, "is_active": True}
        if not self.orders.update(**changes):
            QueueOrder.objects.using(self.table.alias).get_or_create(name=self.name)
            self.orders.update(**changes)

    @retry_on_conflict
    def withdraw(self, keys: Iterable[str]) -> int:
        """Withdraw notices. Returns how many there were."""
        count = 0
        for part in batched([self.digest(key) for key in keys], MAX_IDS_PER_STATEMENT):
            with self.table.transaction():
                count += self.delete(self.unexpired().filter(digest__in=part))
        return count

    def delete(self, rows: models.QuerySet) -> int:
        """Delete notices, within a transaction. Returns how many.

        Where a transaction that posts a notice goes on, it has changed the version already, and is
        not waited for: a monitor withdraws notices, and others wait for that.
        """
        count = rows._raw_delete(self.table.alias)
        skip = self.table.connection.features.has_select_for_update_skip_locked
        if count and (order := self.orders.select_for_update(skip_locked=skip).first()):
            self.orders.update(version=order.version + 1, is_active=self.unexpired().exists())
        return count

    def read(self) -> Notices:
        """Read all notices. The version first: one that is posted meanwhile changes it again."""
        version = self.version()
        found = self.unexpired().values_list("key", "posted", "text")
        return Notices(
            version,
            {
                key: (epoch_seconds(self.table.connection, posted), text)
                for key, posted, text in found
            },
        )

    @retry_on_conflict
    def version(self) -> int:
        """Ask for the version."""
        sql = f"SELECT version FROM {self.table.orders_table} WHERE name = %s"
        rows = self.table.fetch(sql, [self.name])
        return rows[0][0] if rows else 0

    @retry_on_conflict
    def clear_expired(self, limit: int) -> int:
        """Delete notices of the queue that are over. Returns how many."""
        rows = Notice.objects.using(self.table.alias).filter(queue=self.table.key)
        expired = rows.filter(expires__lte=self.table.time_expression())
        digests = list(expired.values_list("digest", flat=True)[:limit])
        count = 0
        for part in batched(digests, MAX_IDS_PER_STATEMENT):  # one may have been replaced since
            with self.table.transaction():
                count += self.delete(expired.filter(digest__in=part))
        return count
