"""The way of log records to the process that writes them.

A handler may wait for as long as it likes: for a reader of a pipe, a server, a lock. So the
processes of a cluster call none. They send what they log, and drop what the socket does not take.
"""

from __future__ import annotations

import logging
import select
import threading
from contextlib import suppress
from typing import Any

from django_q.conf import logger
from django_q.exceptions import TimeoutException
from django_q.loglines import LineFilter
from django_q.processes.records import packed
from django_q.queues import Queue, SharedCount

#: Makes lines printable here, where what they are made of still is what it was.
LINES = LineFilter()
#: Seconds for which a process that can wait does so, once, until what it has logged before is
#: written: more lines come together than fit.
WAIT = 0.5


class LogQueue:
    """What is between those who log and the one who writes."""

    def __init__(self) -> None:
        self.records = Queue()
        self.lost = SharedCount()  # lines that nobody has written, and that nobody has told of


class Sender:
    """Sends what this process logs, in place of calling handlers."""

    own: Sender | None = None  # of this process

    def __init__(self, log: LogQueue, patient: bool) -> None:
        self.log = log
        self.patient = patient  # whether its main thread may wait for room
        self.stalled = False  # whether it has waited in vain since there last was room
        self.room = select.poll()
        self.room.register(log.records.writer, select.POLLOUT)

    def send(self, record: logging.LogRecord) -> None:
        """Send a record; one that can not be sent costs nothing but the line."""
        try:
            LINES.filter(record)
            fields = packed(record)
            if self.patient and threading.current_thread() is threading.main_thread():
                # The kernel says so while three quarters are free, so that those who do not wait
                # find room beside those who do.
                self.stalled = not self.room.poll(0 if self.stalled else WAIT * 1000)
            self.log.records.put_many([fields], block=False)
        except TimeoutException:  # the time limit of the task that logs
            raise
        except BaseException:
            with suppress(OSError):
                self.log.lost.add(1)

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


#: How Python's loggers pass a record to their filters and handlers.
HANDLE = logging.Logger.handle


def send_all(log: LogQueue, patient: bool) -> None:
    """Send what any logger of this process is given."""
    send_own(log, patient)
    logging.Logger.handle = handle  # type: ignore[method-assign]


def send_own(log: LogQueue, patient: bool) -> None:
    """Send what our own logger is given: in a worker, tasks call the handlers of theirs."""
    Sender.own = Sender(log, patient)
    logger.handle = Sender.own.send  # type: ignore[method-assign]
    logger.makeRecord = Sender.own.make_record  # type: ignore[method-assign]


def send_nothing() -> None:
    """Let this process call its handlers again."""
    Sender.own = None
    for name in ("handle", "makeRecord"):
        vars(logger).pop(name, None)
    if logging.Logger.handle is handle:
        logging.Logger.handle = HANDLE  # type: ignore[method-assign]


def leave() -> None:
    """Send nothing from a process that a task has forked, and keep no logger waiting for it."""
    if Sender.own:
        Sender.own.log.records.writer.close()
        send_nothing()


def handle(self: logging.Logger, record: logging.LogRecord) -> None:
    """Send a record, in place of ``logging.Logger.handle``."""
    if Sender.own:
        Sender.own.send(record)
    else:
        HANDLE(self, record)
