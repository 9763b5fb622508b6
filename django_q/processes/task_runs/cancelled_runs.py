"""Cancel tasks that run: find those that an order is for, and signal their workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_q.execution.cancellation import find_order
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.supervision.child import Child


class CancelledRuns:
    """Reads the orders, and has the tasks that run and are cancelled end themselves."""

    def __init__(self, table: OrderTable) -> None:
        self.table = table

    def signal(self, children: Iterable[Child]) -> None:
        """Signal each worker whose task is cancelled, again and again until that has ended."""
        if not (orders := self.table.current()):
            return
        for child in children:
            if child.is_running and (label := child.label()):
                since, task = label
                if text := find_order(task_of(task), orders):
                    child.cancel_task(since, text)


def task_of(label: dict[str, Any]) -> Any:
    """Make of a label as much of a package as it takes to find its orders."""
    return {
        "id": label["id"],
        "group": label["group"] or None,
        "iter_count": label["is_item"],
        "iter_group": label["iter_group"] or None,
        "chain_started": label["chain_started"],
    }
