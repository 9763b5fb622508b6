"""The heartbeat: what a cluster says about itself, as often as there is news."""

from __future__ import annotations

import time
from collections.abc import Callable

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.processes.failures import Failures
from django_q.processes.patience import patience
from django_q.status import Stat

#: Seconds between heartbeats of an idle cluster. One at work beats every GUARD_CYCLE.
IDLE_BEAT = 5.0


class Heartbeat:
    """Saves snapshots of a cluster, for those who look."""

    def __init__(self, broker: Broker, snapshot: Callable[[], Stat]) -> None:
        self.broker, self.snapshot = broker, snapshot
        self.due = 0.0  # monotonic; when to save the next one
        self._finished = 0  # deliveries finished when the last one was saved
        texts = "the heartbeat could not be saved", "heartbeats are saved again"
        self._failures = Failures(broker, *texts)

    def beat(self, now: float, finished: int, busy: bool) -> None:
        """Save a snapshot; an idle cluster does so less often."""
        idle = finished == self._finished and not busy
        self._finished = finished
        self.due = now + (max(IDLE_BEAT, Conf.GUARD_CYCLE) if idle else Conf.GUARD_CYCLE)
        try:
            with patience():
                self.snapshot().save(self.broker)
            self._failures.success()
        except Exception as error:
            self.broker.close()
            self.due = time.monotonic() + IDLE_BEAT
            self._failures.log(error, IDLE_BEAT)
