"""The leases of what workers have in hand.

A lease must not end while anybody has its task in hand. The task may have waited before it starts,
may end before its lease is extended here, and its result may wait for the monitor, who extends it
too. So what passes until either looks adds up to less than is left of the lease at the start.
"""

from __future__ import annotations

import time
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.processes.call_timeout import call_timeout
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.shared_state.slot import Slot, Slots

#: Share of a lease that must be left when a task starts.
MIN_START_LEASE_SHARE = 0.45
#: Share of a lease between two looks here. What is younger than that is left alone.
EXTEND_INTERVAL_SHARE = 0.125


class WorkerLeases:
    """Extends the leases of the tasks that run, so that nobody else gets them meanwhile."""

    def __init__(self, broker: Broker, slots: Slots) -> None:
        self.broker, self.slots = broker, slots
        self.due = 0.0  # monotonic; when to extend next
        texts = "leases could not be extended", "leases are extended again"
        self.failures = StepFailureLog(broker, *texts)

    def extend(self, now: float) -> None:
        """Extend what has been in hand for a while."""
        self.due = now + EXTEND_INTERVAL_SHARE * Conf.RETRY
        long_ago = now - EXTEND_INTERVAL_SHARE * Conf.RETRY
        receipts = [receipt for slot in self.slots for receipt in held_receipts(slot, long_ago)]
        if not receipts:
            return
        try:
            with call_timeout():
                self.broker.extend(receipts, Conf.RETRY)
            self.failures.success()
        except BaseException as error:  # of a broker that others wrote, too
            contain_error(error)
            self.broker.close()
            self.due = (
                time.monotonic() + EXTEND_INTERVAL_SHARE * Conf.RETRY
            )  # it may have taken long
            self.failures.log(error, EXTEND_INTERVAL_SHARE * Conf.RETRY)


def held_receipts(slot: Slot, before: float) -> list[Any]:
    """List the receipts of what a worker has finished or runs, where that began long ago.

    Not of what waits behind it: another cluster may take that when its lease ends.
    """
    held = slot.read()
    if not held.batch or held.since > before:
        return []
    return [ack_id for ack_id, _ in held.batch[: held.position + 1]]
