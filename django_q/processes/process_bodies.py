"""The functions that the processes of a cluster run, and their arguments."""

from __future__ import annotations

from typing import Any

from django_q.processes.supervision import process_start
from django_q.processes.supervision.child import Child
from django_q.processes.supervision.process_start import ArgumentPlaceholder


def body_of(child: Child, cluster: Any) -> tuple[str, tuple, tuple]:
    """Return the body of a child of a sentinel: its path below ``processes``, and its arguments.

    The last of these can only be unpickled when Django is set up.
    """
    return {
        process_start.MONITOR: (
            "monitor.monitor_of_cluster",
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
