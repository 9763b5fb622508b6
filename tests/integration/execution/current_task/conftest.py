"""A task that runs in a worker's slot, in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_q.execution.current_task.task_run import TaskRun, running_task
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slots
from django_q.processes.task_runs.task_host import TaskHost


@pytest.fixture
def slot() -> Any:
    """Make the slot of one worker."""
    return Slots(1)[0]


@pytest.fixture
def order_table() -> OrderTable:
    """Make the orders of a cluster, which has none."""
    return OrderTable()


@pytest.fixture
def begin(slot: Any, order_table: OrderTable) -> Iterator[Callable[..., TaskRun]]:
    """Begin a task in the test: ``begin(position={"0": [3]})``. The next one begins after it."""
    host = TaskHost(slot, order_table, lambda: slot.set_label("label"))
    began = iter(range(1, 100))

    def start(**package: Any) -> TaskRun:
        since = float(next(began))
        slot.take_batch([("receipt", 1)])
        slot.start_decoding(0, since, None)
        slot.start_task(0, since, None)
        values = {"id": "1" * 32, "name": "a-name", "func": "f", "args": (), "kwargs": {}}
        run = TaskRun({**values, **package}, host, since)
        running_task.set(run)
        return run

    yield start
    running_task.set(None)
