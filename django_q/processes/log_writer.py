"""The log process: it calls the handlers of the project, for all processes of a cluster."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from typing import Any

from django_q.conf import logger
from django_q.descriptor_wait import wait_until_readable
from django_q.processes.logs import log_queue
from django_q.processes.logs.log_queue import LogQueue
from django_q.processes.logs.log_records import unpacked
from django_q.processes.services.service import Service
from django_q.processes.supervision import process_start
from django_q.queues import Flag, Queue
from django_q.servers import connections

#: Seconds between two tries to log how many lines were lost: at first, and at most.
LOST_LINES_BACKOFF_SECONDS = (1.0, 60.0)
#: Seconds after which a stop gives up the last lines: while none is written, and altogether.
STALLED_FLUSH_SECONDS, MAX_FLUSH_SECONDS = 0.5, 10.0


def write_log(log: LogQueue, *queues: Queue) -> None:
    """Write what other processes send, until all of them have ended: the body of the process.

    A queue ends with its last writer, so this process must not count as one: neither of its own
    queue nor of ``queues``, which a fork has copied.
    """
    for each in (log.records, *queues):
        each.writer.close()
    writer = LogWriter(log)
    logging.Handler.handleError = writer.handle_error  # type: ignore[method-assign, assignment]
    while True:
        try:
            items = log.records.get_many(timeout=writer.seconds_to_wait())
        except queue.Empty:
            items = []
        except EOFError:
            break
        with contextlib.suppress(Exception):
            connections.close_old()  # a handler may write to a database
        for fields in items:
            writer.write(fields)
        writer.log_lost_lines()


class LogWriter:
    """Calls handlers. One that fails loses a line and nothing else."""

    def __init__(self, log: LogQueue) -> None:
        self.log = log
        self.failed = False  # whether a handler has failed to write the latest line
        self.due = 0.0  # monotonic; when to log next how many lines were lost
        self.pause = LOST_LINES_BACKOFF_SECONDS[0]
        self.print_error = logging.Handler.handleError

    def write(self, fields: dict[str, Any]) -> None:
        """Pass a record to its logger: filters and levels apply."""
        self.failed = False
        try:
            record = unpacked(fields)
            logging.getLogger(record.name).handle(record)
        except BaseException:  # a handler may raise anything
            self.failed = True
        if self.failed:
            self.log.lost_lines.add(1)
            with contextlib.suppress(Exception):
                connections.close_all()

    def handle_error(self, handler: logging.Handler, record: logging.LogRecord) -> None:
        """Note that a handler has failed, in place of ``Handler.handleError``."""
        self.failed = True
        with contextlib.suppress(BaseException):  # as where the standard error is closed
            self.print_error(handler, record)

    def seconds_to_wait(self) -> float | None:
        """Return for how many seconds to wait for records; None for no limit."""
        return max(0.0, self.due - time.monotonic()) if self.log.lost_lines.value() else None

    def log_lost_lines(self) -> None:
        """Log how many lines were lost; they stay counted if that fails too."""
        count = self.log.lost_lines.value()
        if not count or time.monotonic() < self.due:
            return
        self.failed = False
        try:
            logger.warning("%s log lines could not be written", count)
        except BaseException:
            self.failed = True
        if not self.failed:
            self.log.lost_lines.add(-count)
        self.pause = (
            min(self.pause * 2, LOST_LINES_BACKOFF_SECONDS[1])
            if self.failed
            else LOST_LINES_BACKOFF_SECONDS[0]
        )
        self.due = time.monotonic() + self.pause


class LogProcess(Service):
    """The log process as its parent sees it: starts, replaces and ends it."""

    def __init__(self, parent_flag: Flag, *queues: Queue) -> None:
        self.log = LogQueue()
        path = "django_q.processes.log_writer.write_log"
        super().__init__(process_start.LOGGER, path, (self.log, *queues), parent_flag)

    def __enter__(self) -> LogProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, and send it the records of this one from now on."""
        self.spawn()
        log_queue.redirect_all_loggers(self.log, may_wait=False)

    def close(self) -> None:
        """Wait a limited time for the last lines, and end the process."""
        log_queue.restore_loggers()
        self.log.records.writer.close()
        if self.child.is_running:
            self.await_last_lines()
        super().close()

    def await_last_lines(self) -> None:
        """Wait until the process has ended, at most as long as it goes on writing."""
        until, waiting = time.monotonic() + MAX_FLUSH_SECONDS, -1
        while waiting != (left := self.log.records.qsize()) and time.monotonic() < until:
            waiting = left
            if wait_until_readable([self.child.exit_descriptor], STALLED_FLUSH_SECONDS):
                break
