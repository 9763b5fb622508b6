"""Backfills of the shop."""

from __future__ import annotations

from maintenance_tasks import MaintenanceTask

from tests.clients.applications.shop.models import Article


class Fill(MaintenanceTask):
    """Fills a column, in several jobs."""

    batch_size = 2

    def collection(self):
        """Return the rows."""
        return Article.objects.filter(name__startswith="to be filled")

    def process(self, item):
        """Fill one."""
        Article.objects.filter(pk=item.pk).update(is_filled=True)


class Fail(Fill):
    """Fails at the first row."""

    def process(self, item):
        """Fail."""
        raise ValueError(item.name)
