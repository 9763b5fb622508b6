"""The order by which a cluster stops: a notice with its id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django_q.conf import logger
from django_q.humanhash import humanize
from django_q.processes.shared_state.order_table import OrderTable
from django_q.task_state.cancellation import cluster_key


def stop_if_told(table: OrderTable, cluster_id: UUID, stop_event: Any) -> None:
    """Set ``stop_event`` where somebody has told the cluster to stop."""
    order = table.current().get(cluster_key(cluster_id))
    if order and not stop_event.is_set():
        giver = order[1].removeprefix("cancelled")
        logger.info("cluster %s stops, as told%s", humanize(cluster_id.hex), giver)
        stop_event.set()
