"""The way of log records to the process that writes them.

A handler may wait for as long as it likes: for a reader of a pipe, a server, a lock. So the
processes of a cluster call none. They send what they log, and drop what the socket does not take.
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

#: Makes lines printable here, where what they are made of still is what it was.
LINE_FILTER = PrintableLogFilter()
#: Seconds for which a process that can wait does so, once, until what it has logged before is
#: written: more lines come together than fit.
LOG_WAIT_SECONDS = 0.5
#: Lines that are sent together at most, and the seconds in which they have to come.
MAX_LINE_BATCH, LINE_BATCH_SECONDS = 100, 0.02


class LogQueue:
    """What is between those who log and the one who writes."""

    def __init__(self) -> None:
        self.records = Queue()
        self.lost_lines = (
            LockFreeCounter()
        )  # lines that nobody has written, and that nobody has told of


class LogSender:
    """Sends what this process logs, in place of calling handlers."""

    own: LogSender | None = None  # of this process

    def __init__(self, log: LogQueue, may_wait: bool) -> None:
        self.log = log
        self.may_wait = may_wait  # whether its main thread may wait for room
        self.batched_lines: list[dict[str, Any]] | None = (
            None  # lines that go together, see gathering
        )
        self.found_no_room = False  # whether it has waited in vain since there last was room
        self.writable_poll = select.poll()
        self.writable_poll.register(log.records.writer, select.POLLOUT)

    def send(self, record: logging.LogRecord) -> None:
        """Send a record; one that can not be sent costs nothing but the line."""
        try:
            LINE_FILTER.filter(record)
            is_main = threading.current_thread() is threading.main_thread()
            if not is_main or self.batched_lines is None or not is_routine(record):
                if is_main and self.batched_lines:
                    self.put_batch()  # which came before
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
        """Put lines on their way together, or count them."""
        try:
            if wait:
                # The kernel says so while three quarters are free, so that those who do not wait
                # find room beside those who do.
                self.found_no_room = not self.writable_poll.poll(
                    0 if self.found_no_room else LOG_WAIT_SECONDS * 1000
                )
            self.log.records.put_many(lines, block=False)
        except TimeoutException:
            raise
        except BaseException:
            self.count_lost(len(lines))

    def put_batch(self) -> None:
        """Put on its way what was gathered."""
        lines, self.batched_lines = self.batched_lines, []
        if lines:
            self.put(lines, wait=self.may_wait)

    def count_lost(self, count: int) -> None:
        """Count lines that nobody will write."""
        with suppress(OSError):
            self.log.lost_lines.add(count)

    def make_record(self, *args: Any) -> logging.LogRecord:
        """Make a record of our own logger, whatever the project's factory does."""
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
    """Whether nobody minds when a line comes a little later."""
    return record.name == logger.name and record.levelno <= logging.INFO


@contextmanager
def batched_log_lines() -> Iterator[None]:
    """Send what a block tells of its routine together: each message wakes the logger up."""
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


#: How Python's loggers pass a record to their filters and handlers.
ORIGINAL_LOGGER_HANDLE = logging.Logger.handle


def redirect_all_loggers(log: LogQueue, may_wait: bool) -> None:
    """Send what any logger of this process is given."""
    redirect_own_logger(log, may_wait)
    logging.Logger.handle = handle_record  # type: ignore[method-assign]


def redirect_own_logger(log: LogQueue, may_wait: bool) -> None:
    """Send what our own logger is given: in a worker, tasks call the handlers of theirs."""
    LogSender.own = LogSender(log, may_wait)
    logger.handle = LogSender.own.send  # type: ignore[method-assign]
    logger.makeRecord = LogSender.own.make_record  # type: ignore[method-assign]


def restore_loggers() -> None:
    """Let this process call its handlers again."""
    LogSender.own = None
    for name in ("handle", "makeRecord"):
        vars(logger).pop(name, None)
    if logging.Logger.handle is handle_record:
        logging.Logger.handle = ORIGINAL_LOGGER_HANDLE  # type: ignore[method-assign]


def detach_forked_process() -> None:
    """Send nothing from a process that a task has forked, and keep no logger waiting for it."""
    if LogSender.own:
        LogSender.own.log.records.writer.close()
        restore_loggers()


def handle_record(self: logging.Logger, record: logging.LogRecord) -> None:
    """Send a record, in place of ``logging.Logger.handle``."""
    if LogSender.own:
        LogSender.own.send(record)
    else:
        ORIGINAL_LOGGER_HANDLE(self, record)
