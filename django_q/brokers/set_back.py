"""What to do when the database's clock is set back: the queue would stand still for as long."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import models, transaction

from django_q.brokers.queue_table import QueueTable, retried
from django_q.conf import Conf, logger
from django_q.models import Heartbeat

#: How far a clock may go back without being taken for set back.
SLACK = timedelta(seconds=1)
#: Seconds between two looks. What is leased by a clock that goes ahead for no longer is not seen.
INTERVAL = 1
#: How long the time is kept that was seen last; it is a row among the heartbeats.
KEPT = timedelta(days=30)


class Timekeeper:
    """Keeps the time of the database that was seen last, and notices that it is earlier now."""

    def __init__(self, table: QueueTable) -> None:
        self.table = table
        self.due = 0.0  # monotonic; when to look next

    def look(self) -> None:
        """Look at the clock, now and then."""
        if time.monotonic() > self.due:
            self.due = time.monotonic() + INTERVAL
            self.compare()

    @retried
    def compare(self) -> None:
        """Compare with what was seen last, and keep what is seen now. One cluster at a time."""
        alias, then = self.table.alias, self.table.expression(KEPT.total_seconds())
        key = f"{self.table.key}:clock"
        rows = Heartbeat.objects.using(alias).filter(key=key)
        latest = self.table.expression((KEPT + SLACK).total_seconds())
        if rows.filter(expires__lte=latest).update(expires=then):
            return  # it goes on, as clocks do
        with transaction.atomic(alias):
            found = rows.select_for_update().annotate(then=then).values_list("expires", "then")
            for expires, expected in found:
                self.move(expires - KEPT, expires - expected)
            if not rows.update(expires=then):
                Heartbeat.objects.using(alias).bulk_create(
                    [Heartbeat(key=key, value="", expires=then)], ignore_conflicts=True
                )

    def move(self, last: datetime, back: timedelta) -> None:
        """Let what waits or is leased be due as much earlier as the clock was set back.

        What is delayed further keeps its time by the clock.
        """
        if back <= SLACK:
            return
        late = self.table.rows.filter(
            lock__gt=self.table.expression(), lock__lte=last + timedelta(seconds=2 * Conf.RETRY)
        )
        moved = late.update(lock=models.F("lock") - back)
        logger.warning("the database's clock was set back by %s: %s tasks moved", back, moved)

    def may_repeat(self, error: Exception) -> bool:
        """Say whether it can succeed when repeated."""
        return self.table.may_repeat(error)
