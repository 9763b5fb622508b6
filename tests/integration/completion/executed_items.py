"""Items of an iterable, executed and not yet completed."""

from __future__ import annotations

from typing import Any

from django_q.execution.execution import execute
from django_q.processes.task_runs.job import note_state
from django_q.signing import SignedPackage


def execute_waiting(broker: Any) -> list[dict[str, Any]]:
    """Take all that is in a broker, and execute it."""
    packages = []
    for delivery in broker.dequeue(limit=100, wait=0):
        package = SignedPackage.loads(delivery.payload)
        package.update(ack_id=delivery.ack_id, attempt=delivery.attempt)
        if delivery.state is not None:
            note_state(package, delivery.state)
        execute(package)
        packages.append(package)
    return packages


def fail_on_submit(package: Any) -> None:
    """Stand for the producer, and fail the test that submits anything."""
    raise AssertionError(package)
