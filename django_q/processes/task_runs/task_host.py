"""What a worker is for the task that it runs: its slot, and the orders for it."""

from __future__ import annotations

from collections.abc import Callable

from django_q.execution.cancellation import find_order
from django_q.execution.current_task.task_run import ForkCount, TaskRun
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slot
from django_q.wire.package import TaskPackage

#: Who has cancelled a task where the order can not be found any more.
UNKNOWN_ORDER = "cancelled"


class TaskHost:
    """The worker, as far as the task that runs has to do with it."""

    def __init__(
        self, slot: Slot | None, table: OrderTable | None, label_task: Callable[[], None]
    ) -> None:
        self.forks, self.slot, self.table = ForkCount.value, slot, table
        self.label_task = label_task

    @property
    def is_stopping(self) -> bool:
        """Whether the cluster stops, so that a task that can go on elsewhere is to end."""
        return self.table is not None and self.table.is_stopping

    def order_for(self, package: TaskPackage) -> str | None:
        """Return who has cancelled a task; None where nobody has."""
        orders = self.table.current() if self.table is not None else None
        if orders and (text := find_order(package, orders)):
            return text
        return package.get("cancelled")

    def cancellation(self, run: TaskRun) -> str | None:
        """Return who has cancelled a task that runs; None where nobody has."""
        if text := self.order_for(run.package):
            return text
        return UNKNOWN_ORDER if self.is_told_to_cancel(run) else None

    def is_told_to_cancel(self, run: TaskRun) -> bool:
        """Whether the sentinel has said in the slot that this run is cancelled, and no other."""
        return self.slot is not None and self.slot.is_cancelled(run.since)
