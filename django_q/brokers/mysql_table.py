"""The ORM broker's table on MySQL and MariaDB."""

from __future__ import annotations

from datetime import datetime, timezone

from django.utils.timezone import get_default_timezone

from django_q.brokers.queue_table import QueueTable


class MysqlTable(QueueTable):
    """The queue in MySQL, by the server's clock.

    Times are stored without a zone, in that of the connection: UTC unless the settings differ.
    """

    def now(self, seconds: float = 0) -> tuple[str, list]:
        """Make the SQL of the time in ``seconds`` from now, and its parameters."""
        zone = self.connection.timezone or get_default_timezone()
        offset = datetime.now(timezone.utc).astimezone(zone).utcoffset().total_seconds()
        microseconds = int((seconds + offset) * 1_000_000)
        return "UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND", [microseconds]
