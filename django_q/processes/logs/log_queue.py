"""Send log records to the process that writes them.

A handler may wait without limit: for a reader of a pipe, a server, a lock. So the processes of a
cluster call no handlers. They send what they log, and drop what the socket does not take.
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django_q.conf import logger
from django_q.exceptions import TimeoutException
from django_q.processes.logs.log_records import packed
from django_q.queues import LockFreeCounter, Queue
from django_q.text.log_lines import PrintableLogFilter

#: Makes lines printable in the process that logs: only it has the original arguments.
LINE_FILTER = PrintableLogFilter()
#: Seconds for which a process that may wait does so while the socket is full, as when more lines
#: come at once than fit. It waits again only after there was room.
LOG_WAIT_SECONDS = 0.5
#: Lines that are sent together at most, and the seconds within which they are logged.
MAX_LINE_BATCH, LINE_BATCH_SECONDS = 100, 0.02


class LogQueue:
    """The queue between the processes that log and the one that writes."""

    def __init__(self) -> None:
        self.records = Queue()
        self.lost_lines = LockFreeCounter()  # lines not written, and not reported as lost yet


class LogSender:
    """Sends the records of this process to the log process, instead of calling handlers."""

    own: LogSender | None = None  # of this process

    def __init__(self, log: LogQueue, may_wait: bool) -> None:
        self.log = log
        self.may_wait = may_wait  # whether its main thread may wait for room
        # Routine lines to send together; None outside of ``batched_log_lines``.
        self.batched_lines: list[dict[str, Any]] | None = None
        self.found_no_room = False  # whether the last wait for room ended without any
        self.writable_poll = select.poll()
        self.writable_poll.register(log.records.writer, select.POLLOUT)

    def send(self, record: logging.LogRecord) -> None:
        """Send a record; if it can not be sent, count it as lost and raise nothing."""
        try:
            LINE_FILTER.filter(record)
            is_main = threading.current_thread() is threading.main_thread()
            if not is_main or self.batched_lines is None or not is_routine(record):
                if is_main and self.batched_lines:
                    self.put_batch()  # these lines were logged before
                self.put([packed(record)], wait=is_main and self.may_wait)
                return
            self.batched_lines.append(packed(record))
            if (
                record.created - self.batched_lines[0]["created"] > LINE_BATCH_SECONDS
                or len(self.batched_lines) >= MAX_LINE_BATCH
            ):
                self.put_batch()
        except TimeoutException:  # the time limit of the task that logs
            raise
        except BaseException:
            self.count_lost(1)

    def put(self, lines: list[dict[str, Any]], wait: bool) -> None:
        """Send lines in one message, or count them as lost."""
        try:
            if wait:
                # The kernel reports room while three quarters are free, so that processes that do
                # not wait find room beside those that do.
                self.found_no_room = not self.writable_poll.poll(
                    0 if self.found_no_room else LOG_WAIT_SECONDS * 1000
                )
            self.log.records.put_many(lines, block=False)
        except TimeoutException:
            raise
        except BaseException:
            self.count_lost(len(lines))

    def put_batch(self) -> None:
        """Send the batched lines."""
        lines, self.batched_lines = self.batched_lines, []
        if lines:
            self.put(lines, wait=self.may_wait)

    def count_lost(self, count: int) -> None:
        """Count lines that will not be written."""
        with suppress(OSError):
            self.log.lost_lines.add(count)

    def make_record(self, *args: Any) -> logging.LogRecord:
        """Make a record of the django-q logger, whatever the project's record factory raises."""
        try:
            return logging.Logger.makeRecord(logger, *args)
        except TimeoutException:
            raise
        except BaseException:
            name, level, file, line, message, values, error, function, _, stack = args
            return logging.LogRecord(
                name, level, file, line, message, values, error, function, stack
            )


def is_routine(record: logging.LogRecord) -> bool:
    """Whether a line may be written a little later: an info line of the django-q logger."""
    return record.name == logger.name and record.levelno <= logging.INFO


@contextmanager
def batched_log_lines() -> Iterator[None]:
    """Send the routine lines of a block together: each message wakes the log process."""
    sender = LogSender.own
    if sender is None or sender.batched_lines is not None:
        yield
        return
    sender.batched_lines = []
    try:
        yield
    finally:
        sender.put_batch()
        sender.batched_lines = None


#: The original method, by which loggers pass a record to their filters and handlers.
ORIGINAL_LOGGER_HANDLE = logging.Logger.handle


def redirect_all_loggers(log: LogQueue, may_wait: bool) -> None:
    """Send the records of all loggers of this process to the log process."""
    redirect_own_logger(log, may_wait)
    logging.Logger.handle = handle_record  # type: ignore[method-assign]


def redirect_own_logger(log: LogQueue, may_wait: bool) -> None:
    """Send the records of the django-q logger only: in a worker, tasks call their own handlers."""
    LogSender.own = LogSender(log, may_wait)
    logger.handle = LogSender.own.send  # type: ignore[method-assign]
    logger.makeRecord = LogSender.own.make_record  # type: ignore[method-assign]


def restore_loggers() -> None:
    """Let the loggers of this process call their handlers again."""
    LogSender.own = None
    for name in ("handle", "makeRecord"):
        vars(logger).pop(name, None)
    if logging.Logger.handle is handle_record:
        logging.Logger.handle = ORIGINAL_LOGGER_HANDLE  # type: ignore[method-assign]


def detach_forked_process() -> None:
    """Stop sending from a process that a task forked: the log process must not wait for its end."""
    if LogSender.own:
        LogSender.own.log.records.writer.close()
        restore_loggers()


def handle_record(self: logging.Logger, record: logging.LogRecord) -> None:
    """Send a record, in place of ``logging.Logger.handle``."""
    if LogSender.own:
        LogSender.own.send(record)
    else:
        ORIGINAL_LOGGER_HANDLE(self, record)
