"""The process that serves metrics and probes over HTTP, as the main process sees it.

It is one of its own: the main process and the sentinel start processes, so they have no threads,
and a client must not hold them up.
"""

from __future__ import annotations

from uuid import UUID

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.processes.services.service import Service
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.supervision import process_start
from django_q.queues import Flag


class MetricsProcess(Service):
    """The process of ``qcluster --metrics-port``.

    It reads the tables of the main process and of the sentinel.
    """

    def __init__(
        self,
        parent_flag: Flag,
        cluster_id: UUID,
        tables: tuple[ProcessTable, ProcessTable],
        broker: Broker,
    ) -> None:
        super().__init__(
            process_start.METRICS,
            "django_q.metrics.serving.server.serve_metrics",
            (Conf.METRICS_HOST, Conf.METRICS_PORT, cluster_id, tables),
            parent_flag,
            args_after_setup=(broker,),
        )


def metrics_processes(
    parent_flag: Flag,
    cluster_id: UUID,
    tables: tuple[ProcessTable, ProcessTable],
    broker: Broker,
) -> list[MetricsProcess]:
    """Return the process if the settings have a port for it."""
    if not Conf.METRICS_PORT:
        return []
    return [MetricsProcess(parent_flag, cluster_id, tables, broker)]
