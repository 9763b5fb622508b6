"""Refuse to start a cluster that could not work."""

from __future__ import annotations

from typing import Any

from django_q.processes.supervision.green_threads import refuse_patched


def check_start(broker: Any) -> None:
    """Raise ``RuntimeError`` where a cluster with this broker could not work in this process."""
    refuse_patched()
    if getattr(broker, "is_process_local", False):
        raise RuntimeError(
            "A cluster needs a broker that all its processes reach, got the broker "
            f"{type(broker).__name__}, whose queues are in one process alone. Set 'redis', 'orm' "
            "or 'sqs' in Q_CLUSTER in place of 'broker_class'. In a test, call the bodies of the "
            "processes: see 'Testing' in the documentation."
        )
