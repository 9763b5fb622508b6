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
from django_q.queues import Queue, SharedCount
from django_q.text.log_lines import LineFilter

#: Makes lines printable here, where what they are made of still is what it was.
LINES = LineFilter()
#: Seconds for which a process that can wait does so, once, until what it has logged before is
#: written: more lines come together than fit.
WAIT = 0.5
#: Lines that are sent together at most, and the seconds in which they have to come.
MOST, SOON = 100, 0.02


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
        self.gathered: list[dict[str, Any]] | None = None  # lines that go together, see gathering
        self.stalled = False  # whether it has waited in vain since there last was room
        self.room = select.poll()
        self.room.register(log.records.writer, select.POLLOUT)

    def send(self, record: logging.LogRecord) -> None:
        """Send a record; one that can not be sent costs nothing but the line."""
        try:
            LINES.filter(record)
            is_main = threading.current_thread() is threading.main_thread()
            if not is_main or self.gathered is None or not is_routine(record):
                if is_main and self.gathered:
                    self.put_gathered()  # which came before
                self.put([packed(record)], wait=is_main and self.patient)
                return
            self.gathered.append(packed(record))
            if record.created - self.gathered[0]["created"] > SOON or len(self.gathered) >= MOST:
                self.put_gathered()
        except TimeoutException:  # the time limit of the task that logs
            raise
        except BaseException:
            self.lose(1)

    def put(self, lines: list[dict[str, Any]], wait: bool) -> None:
        """Put lines on their way together, or count them."""
        try:
            if wait:
                # The kernel says so while three quarters are free, so that those who do not wait
                # find room beside those who do.
                self.stalled = not self.room.poll(0 if self.stalled else WAIT * 1000)
            self.log.records.put_many(lines, block=False)
        except TimeoutException:
            raise
        except BaseException:
            self.lose(len(lines))

    def put_gathered(self) -> None:
        """Put on its way what was gathered."""
        lines, self.gathered = self.gathered, []
        if lines:
            self.put(lines, wait=self.patient)

    def lose(self, count: int) -> None:
        """Count lines that nobody will write."""
        with suppress(OSError):
            self.log.lost.add(count)

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
def gathering() -> Iterator[None]:
    """Send what a block tells of its routine together: each message wakes the logger up."""
    sender = Sender.own
    if sender is None or sender.gathered is not None:
        yield
        return
    sender.gathered = []
    try:
        yield
    finally:
        sender.put_gathered()
        sender.gathered = None


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
