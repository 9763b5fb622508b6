"""The body of the sentinel's process."""

from __future__ import annotations

import os
import signal
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.processes.logs.log_queue import LogSender
from django_q.processes.sentinel import Sentinel
from django_q.processes.server_calls.call_timeout import CALL_TIMEOUT_SECONDS
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.supervision import process_start
from django_q.processes.supervision.resource_limits import is_open_files_error, open_files_message
from django_q.queues import Flag
from django_q.servers.connections import configure_sentinel_databases


def sentinel(
    stop_event: Flag,
    start_event: Flag,
    abort_event: Flag,
    cluster_id: UUID,
    timeout: float | None,
    process_table: ProcessTable,
    broker: Broker | None,
) -> None:
    """Run a cluster until ``stop_event``: the body of the sentinel's process."""
    process_start.freeze_garbage_collector()
    configure_sentinel_databases(CALL_TIMEOUT_SECONDS)
    signal.signal(signal.SIGTERM, lambda signum, frame: stop_event.set())
    try:
        instance = Sentinel(stop_event, start_event, cluster_id, broker, timeout, start=False)
        instance.abort_event, instance.process_table = abort_event, process_table
        if LogSender.own is None:  # the main process is not qcluster, and has no log process
            instance.start_log_process()
        instance.start()
    except BaseException as error:
        if is_open_files_error(error):
            logger.critical(open_files_message())
        else:
            logger.critical("the sentinel has failed", exc_info=True)
        # At once, as if killed: Python would wait for the children, which wait for this process.
        os._exit(1)
