"""Save how far the loops of running tasks have got, so that another attempt goes on there."""

from __future__ import annotations

import json
import time
from typing import Any

from django_q.brokers.base import Broker
from django_q.brokers.contract.kept_state import KeptState
from django_q.exceptions import contain_error
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.shared_state.slot import Slot, Slots
from django_q.processes.shared_state.task_label import read_label
from django_q.task_state.position import sign_position

#: Seconds between two calls that save positions.
POSITION_SAVE_INTERVAL = 1.0


class LoopPositionSaver:
    """Saves the positions of all workers together, those that have changed."""

    def __init__(self, broker: Broker, slots: Slots) -> None:
        self.broker, self.slots = broker, slots
        self.due = 0.0  # monotonic; when positions may be saved next
        self._saved: dict[int, Any] = {}  # by slot: the receipt and the position saved last
        texts = "positions could not be saved", "positions are saved again"
        self._failures = StepFailureLog(broker, *texts)

    def save(self, now: float) -> None:
        """Save the positions that have changed, and set when to do so next."""
        self.due = now + POSITION_SAVE_INTERVAL
        if not self.broker.keeps_state:
            return
        found = {index: position_in(slot) for index, slot in enumerate(self.slots)}
        changed = {
            index: each for index, each in found.items() if each and each != self._saved.get(index)
        }
        if not changed:
            return
        try:
            states = {receipt: kept(task_id, data) for receipt, task_id, data in changed.values()}
            with call_timeout():
                self.broker.keep_state(states)
            self._saved.update(changed)
            self._failures.success()
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            self.broker.close()
            self.due = time.monotonic() + POSITION_SAVE_INTERVAL
            self._failures.log(error, POSITION_SAVE_INTERVAL)


def position_in(slot: Slot) -> tuple[Any, str, bytes] | None:
    """Return receipt, id and position of the task that a worker runs; None without a position."""
    if not slot.is_of_current("LOOPS"):  # as most are: then nothing is unpickled
        return None
    held, label, data = slot.read(), slot.current_label, slot.loop_position
    if not (data and label and held.running and slot.is_since(held.since)):
        return None
    return held.running[0], read_label(label)["id"], data


def kept(task_id: str, data: bytes) -> KeptState:
    """Sign a position, to be kept."""
    return KeptState(position=sign_position(task_id, json.loads(data)))
