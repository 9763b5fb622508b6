"""The body of the sentinel's process."""

from __future__ import annotations

import os
import signal
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.processes.call_timeout import PATIENCE
from django_q.processes.logs.log_queue import Sender
from django_q.processes.sentinel import Sentinel
from django_q.processes.shared_state.process_table import Board
from django_q.processes.supervision import process_start
from django_q.processes.supervision.resource_limits import is_short_of_files, shortage
from django_q.queues import Flag
from django_q.servers.connections import suit_sentinel


def sentinel(
    stop_event: Flag,
    start_event: Flag,
    abort_event: Flag,
    cluster_id: UUID,
    timeout: float | None,
    board: Board,
    broker: Broker | None,
) -> None:
    """Run a cluster until ``stop_event``: the body of the sentinel's process."""
    process_start.share_memory()
    suit_sentinel(PATIENCE)
    signal.signal(signal.SIGTERM, lambda signum, frame: stop_event.set())
    try:
        guard = Sentinel(stop_event, start_event, cluster_id, broker, timeout, start=False)
        guard.abort_event, guard.board = abort_event, board
        if Sender.own is None:  # the main process does something else, and has no logger for us
            guard.start_logger()
        guard.start()
    except BaseException as error:
        if is_short_of_files(error):
            logger.critical(shortage())
        else:
            logger.critical("the sentinel has failed", exc_info=True)
        # As if it was killed: Python would wait for the children, and they wait for its end.
        os._exit(1)
