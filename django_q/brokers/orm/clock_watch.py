"""Shift due times when the database's clock is set back: the queue would stop for as long."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import models, transaction

from django_q.brokers.heartbeats import Heartbeats
from django_q.brokers.orm.table import QueueTable
from django_q.conf import Conf, logger
from django_q.servers.statement_retry import retry_on_conflict

#: How far a clock may go back before it counts as set back.
CLOCK_TOLERANCE = timedelta(seconds=1)
#: Seconds between two checks. A clock that is ahead for less is not noticed, nor leases it gave.
CLOCK_CHECK_INTERVAL = 1
#: How long the time of the last check is kept, as a row among the heartbeats.
LAST_TIME_RETENTION = timedelta(days=30)


class ClockWatch:
    """Keeps the database's time of the last check, and notices when it is earlier now."""

    def __init__(self, table: QueueTable, heartbeats: Heartbeats) -> None:
        self.table, self.heartbeats = table, heartbeats
        self.next_check = 0.0  # monotonic

    def check_if_due(self) -> None:
        """Check the clock, once a second at most."""
        if time.monotonic() > self.next_check:
            self.next_check = time.monotonic() + CLOCK_CHECK_INTERVAL
            self.compare()

    @retry_on_conflict
    def compare(self) -> None:
        """Compare the clock with the last check's, and keep its time. One cluster at a time."""
        key, kept = f"{self.table.key}:clock", LAST_TIME_RETENTION.total_seconds()
        if self.record_later_time(key) or self.heartbeats.insert(key, "", kept):
            return
        rows, then = self.heartbeats.rows(key=key), self.table.time_expression(kept)
        with transaction.atomic(self.table.alias):
            found = rows.select_for_update().annotate(then=then).values_list("expires", "then")
            for expires, expected in found:
                self.shift_leases(expires - LAST_TIME_RETENTION, expires - expected)
            rows.update(expires=then)

    def record_later_time(self, key: str) -> bool:
        """Keep the time as the last check's. Returns False when it is earlier, or none was kept."""
        now, parameters = self.table.sql_time(LAST_TIME_RETENTION.total_seconds())
        latest, limit = self.table.sql_time((LAST_TIME_RETENTION + CLOCK_TOLERANCE).total_seconds())
        condition = f"{{key}} = %s AND {{expires}} <= {latest}"
        sql = f"UPDATE {{table}} SET {{expires}} = {now} WHERE {condition}"
        return self.heartbeats.execute(sql, [*parameters, key, *limit])

    def shift_leases(self, last: datetime, back: timedelta) -> None:
        """Make rows that wait or are leased due as much earlier as the clock was set back.

        A row that is delayed further keeps its time by the clock, and so does a lease that ends in
        time as it is: it may have been given since.
        """
        if back <= CLOCK_TOLERANCE:
            return
        rows = self.table.rows.filter(
            models.Q(attempts=0) | models.Q(lock__gt=self.table.time_expression(Conf.RETRY)),
            lock__gt=self.table.time_expression(),
            lock__lte=last + timedelta(seconds=2 * Conf.RETRY),
        )
        moved = rows.update(lock=models.F("lock") - back)
        logger.warning("the database's clock was set back by %s: %s tasks moved", back, moved)

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when it is repeated."""
        return self.table.may_repeat(error)
