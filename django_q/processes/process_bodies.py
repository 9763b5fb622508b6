"""Which processes a cluster has, the functions that they run, and their arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.processes.monitor import monitor
from django_q.processes.shared_state.liveness import LivenessTimestamp
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slot
from django_q.processes.supervision import process_start
from django_q.processes.supervision.child import Child
from django_q.processes.supervision.process_start import ArgumentPlaceholder
from django_q.task_logs.ring import make_ring


def make_children(slots: Iterable[Slot]) -> list[Child]:
    """List the processes of a cluster in the order of their start.

    First the monitor, which takes results, and last the pusher; a worker for each slot.
    """
    return [
        single(process_start.MONITOR),
        *(
            Child(process_start.WORKER, slot, number, make_ring(Conf.KEEP_LOGS))
            for number, slot in enumerate(slots, 1)
        ),
        *map(single, optional_roles()),
        single(process_start.PUSHER),
    ]


def child_names() -> list[str]:
    """Name the processes that ``make_children`` lists."""
    workers = [f"{process_start.WORKER}-{number + 1}" for number in range(Conf.WORKERS)]
    return [process_start.MONITOR, *workers, *optional_roles(), process_start.PUSHER]


def optional_roles() -> list[str]:
    """List the roles for which the settings decide whether there is a process."""
    return [
        *([process_start.SCHEDULER] if Conf.SCHEDULER or Conf.RELAYS_OUTBOX else []),
        *([process_start.ALERTER] if Conf.ALERTS else []),
    ]


def single(role: str) -> Child:
    """Make the child of a role that one process has, whose liveness is watched."""
    return Child(role, liveness=LivenessTimestamp())


def monitor_of_cluster(result_queue: Any, order_table: OrderTable, broker: Broker) -> None:
    """Run the monitor of a cluster. Only brokers wait to be unpickled until Django is set up."""
    monitor(result_queue, broker, order_table)


def body_of(child: Child, cluster: Any) -> tuple[str, tuple, tuple]:
    """Return the body of a child of a sentinel: its path below ``processes``, and its arguments.

    The last of these can only be unpickled when Django is set up.
    """
    return {
        process_start.MONITOR: (
            "process_bodies.monitor_of_cluster",
            (cluster.result_queue, cluster.order_table),
            (cluster.broker,),
        ),
        process_start.WORKER: (
            "worker.worker",
            (
                *(cluster.task_queue, cluster.result_queue, child.slot, cluster.timeout),
                *(cluster.order_table, cluster.bell, child.log_ring),
            ),
            (),
        ),
        process_start.SCHEDULER: (
            "scheduler.scheduler_of_cluster",
            (ArgumentPlaceholder.PARENT_FLAG,),
            (cluster.broker,),
        ),
        process_start.ALERTER: (
            "alerter.alerter_of_cluster",
            (ArgumentPlaceholder.PARENT_FLAG,),
            (cluster.broker,),
        ),
        process_start.PUSHER: (
            "pusher.pusher_of_cluster",
            (
                *(cluster.task_queue, ArgumentPlaceholder.PARENT_FLAG, cluster.slots),
                *(cluster.result_queue, cluster.order_table),
                *(str(cluster.cluster_id), cluster.bell),
            ),
            (cluster.broker,),
        ),
    }[child.role]
