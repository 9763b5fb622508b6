"""Extend the leases of the deliveries that workers hold.

A lease must not end while its task runs, or while its result waits to be saved. The task may have
waited before it starts. It may end before its lease is extended here, and its result may wait for
the monitor, which extends leases too. So the intervals of both checks together are shorter than
what is left of a lease when its task starts.
"""

from __future__ import annotations

import time
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.shared_state.slot import Slot, Slots

#: Share of a lease that must be left when a task starts.
MIN_START_LEASE_SHARE = 0.45
#: Share of a lease between two checks here. Leases of tasks younger than that are left alone.
EXTEND_INTERVAL_SHARE = 0.125


class WorkerLeases:
    """Extends the leases of running tasks, so that they are not delivered again meanwhile."""

    def __init__(self, broker: Broker, slots: Slots) -> None:
        self.broker, self.slots = broker, slots
        self.due = 0.0  # monotonic; when to extend next
        texts = "leases could not be extended", "leases are extended again"
        self.failures = StepFailureLog(broker, *texts)

    def extend(self, now: float) -> None:
        """Extend the leases of tasks that have run for a while, and set when to check next."""
        self.due = now + EXTEND_INTERVAL_SHARE * Conf.RETRY
        began_before = now - EXTEND_INTERVAL_SHARE * Conf.RETRY
        receipts = [receipt for slot in self.slots for receipt in held_receipts(slot, began_before)]
        if not receipts:
            return
        try:
            with call_timeout():
                self.broker.extend(receipts, Conf.RETRY)
            self.failures.success()
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            self.broker.close()
            # From now on: the failed call may have taken long.
            self.due = time.monotonic() + EXTEND_INTERVAL_SHARE * Conf.RETRY
            self.failures.log(error, EXTEND_INTERVAL_SHARE * Conf.RETRY)


def held_receipts(slot: Slot, before: float) -> list[Any]:
    """List the receipts that a worker has finished or runs, if its task began before ``before``.

    Without those that wait behind that task: another cluster may take them when their leases end.
    """
    held = slot.read()
    if not held.batch or held.since > before:
        return []
    return [ack_id for ack_id, _ in held.batch[: held.position + 1]]
