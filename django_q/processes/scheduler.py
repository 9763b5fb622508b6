"""The scheduler: enqueues a task whenever a schedule is due."""

from __future__ import annotations

from typing import Any

from django_q.brokers.base import Broker


def scheduler(broker: Broker | None = None) -> None:
    """Enqueue what is due now, once."""


def scheduler_of_cluster(event: Any, broker: Broker | None = None) -> None:
    """Enqueue what is due, when it is due, until ``event`` is set."""
    event.wait()
