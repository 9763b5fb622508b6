"""Push what is left in the outbox: of processes that have died, and of times without the broker."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from django.db import connections

from django_q.brokers import adapt_broker
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.models import OutboxTask
from django_q.outbox.outage import QueueOutage
from django_q.outbox.pushing import Settle, finish, push
from django_q.outbox.rows import claim_due_rows, postpone_row, release_rows
from django_q.servers.advice import with_advice
from django_q.servers.database_errors import is_conflict
from django_q.text.error_text import error_summary

#: Seconds between two looks into the outbox.
RELAY_INTERVAL = 1.0
#: Rows that are claimed at once; where there are more, the next ones follow at once.
RELAY_BATCH_SIZE = 200
#: Seconds between two looks while the database fails: at first, and at most.
RELAY_BACKOFF_SECONDS = (1.0, 30.0)


class Relay:
    """Relays the tasks of the outbox to their queues, once a second.

    Never raises for a store that is away. The relays of several clusters do not wait for each
    other: each claims rows of its own.
    """

    def __init__(self, settle: Settle) -> None:
        self.settle = settle
        self.outages: defaultdict[str, QueueOutage] = defaultdict(QueueOutage)  # by queue
        self.next_time = 0.0  # monotonic
        self.pause = 0.0  # seconds; 0 where the database took the last look

    def run_if_due(self) -> float:
        """Push a batch where it is time. Returns the seconds until the next time."""
        if time.monotonic() >= self.next_time:
            self.next_time = time.monotonic() + self.run()
        return max(self.next_time - time.monotonic(), 0)

    def run(self) -> float:
        """Push a batch. Returns the seconds until the next one."""
        paused = [queue for queue, outage in self.outages.items() if outage.is_paused()]
        try:
            rows = claim_due_rows(RELAY_BATCH_SIZE, paused)
            by_queue: dict[str, list[OutboxTask]] = defaultdict(list)
            for row in rows:
                by_queue[row.list_key].append(row)
            for queue, own in by_queue.items():
                self.push_to_queue(own, adapt_broker(shared_broker(None, queue)))
        except BaseException as error:
            return self.back_off(error)
        self.pause = 0.0
        return 0 if len(rows) == RELAY_BATCH_SIZE else RELAY_INTERVAL

    def push_to_queue(self, rows: Sequence[OutboxTask], broker: Broker) -> None:
        """Push rows of one queue; if it takes none, leave them for later."""
        outage = self.outages[broker.list_key]
        try:
            push(rows, broker, self.settle)
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            if broker.is_away(error):
                outage.begin(error, broker)
                release_rows(rows)
            elif len(rows) > 1:  # one of them may be the cause
                for row in rows:
                    self.push_to_queue([row], broker)
            else:
                self.postpone(rows[0], error)
            return
        outage.end(broker)
        finish(rows, broker)

    def postpone(self, row: OutboxTask, error: BaseException) -> None:
        """Have a task wait that can not be pushed for a reason of its own."""
        text = "task %s of the outbox can not be pushed, trying again in %.0f seconds: %s"
        logger.error(text, row.task_id, postpone_row(row), error_summary(error), exc_info=error)

    def back_off(self, error: BaseException) -> float:
        """Log that the outbox can not be read, once an outage; return the seconds to wait."""
        contain_error(error)
        if is_conflict(error):  # with another relay
            return RELAY_INTERVAL
        first, most = RELAY_BACKOFF_SECONDS
        if not self.pause:
            reason = with_advice(error_summary(error), error)
            logger.error("the outbox in '%s' can not be relayed: %s", Conf.OUTBOX, reason)
        self.pause = min(self.pause * 2 or first, most)
        if not connections[Conf.OUTBOX].in_atomic_block:
            connections[Conf.OUTBOX].close_if_unusable_or_obsolete()
        return self.pause
