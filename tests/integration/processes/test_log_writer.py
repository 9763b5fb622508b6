"""The process that calls the handlers of a log, on its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_q.conf import logger
from django_q.processes.log_writer import LogProcess
from django_q.processes.logs import log_queue
from django_q.queues import Flag

pytestmark = pytest.mark.timeout(300)


class Tried(logging.Handler):
    """Does what a message says, or writes it into a file; waits while there is a wall."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.lines, self.wall = path / "lines", path / "wall"

    def emit(self, record: logging.LogRecord) -> None:
        while self.wall.exists():
            time.sleep(0.01)
        text = record.getMessage()
        if text == "raise":
            raise SystemExit(3)
        if text == "handled":
            self.handleError(record)
            return
        with open(self.lines, "a") as file:
            file.write(f"{os.getpid()} {text}\n")


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Tried]:
    """Have our logger call a handler."""
    made = Tried(tmp_path)
    before = logger.level
    logger.addHandler(made)
    logger.setLevel("INFO")
    yield made
    logger.removeHandler(made)
    logger.setLevel(before)


@pytest.fixture
def process(handler: Tried) -> Iterator[LogProcess]:
    """Start the process."""
    with LogProcess(Flag()) as made:
        yield made
        handler.wall.unlink(missing_ok=True)


@pytest.fixture
def until(handler: Tried, wait_until: Callable) -> Callable[[str], None]:
    """Wait until a text is written."""
    return lambda text: wait_until(lambda: text in written(handler), 20)


def written(handler: Tried) -> str:
    """Read what was written."""
    return handler.lines.read_text() if handler.lines.exists() else ""


def test_another_process_calls_the_handlers(process, handler, until):
    logger.info("%s of %s", 1, 2)

    until(f"{process.child.process.pid} 1 of 2\n")


@pytest.mark.parametrize("deed", ["raise", "handled"])
def test_a_handler_that_fails_costs_its_line_which_is_counted(process, until, deed):
    logger.info(deed)
    logger.info("next")

    until("next")
    until("1 log lines could not be written")


def test_a_handler_fails_while_there_is_no_stream_to_say_so(handler, until, monkeypatch):
    with open(os.devnull, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
    with LogProcess(Flag()):
        logger.info("handled")
        logger.info("next")

        until("next")


def test_nobody_waits_for_a_handler_that_waits(process, handler, until):
    handler.wall.touch()
    began = time.monotonic()

    for _ in range(5000):
        logger.info("x" * 5000)

    assert time.monotonic() - began < 20
    assert process.log.lost_lines.value() > 0
    handler.wall.unlink()
    until("log lines could not be written")


def test_who_can_wait_does_so_once(process, handler):
    handler.wall.touch()
    log_queue.LogSender.own.may_wait = True
    while not log_queue.LogSender.own.found_no_room:
        logger.info("x" * 5000)
    began = time.monotonic()

    for _ in range(1000):
        logger.info("x" * 5000)

    assert time.monotonic() - began < 10


def test_lines_keep_their_order_and_none_is_lost_by_a_process_that_can_wait(
    process, handler, until
):
    log_queue.LogSender.own.may_wait = True

    with log_queue.batched_log_lines():
        for number in range(3000):
            (logger.warning if number % 7 == 0 else logger.info)("line %s", number)
    until("line 2999")

    numbers = [int(line.split()[2]) for line in written(handler).splitlines()]
    assert numbers == list(range(3000))


def test_a_process_that_is_killed_is_replaced(process, until, wait_until):
    os.kill(process.child.process.pid, signal.SIGKILL)

    wait_until(lambda: process.supervise_once() or "reincarnated" in written_by(process), 20)


def written_by(process: LogProcess) -> str:
    """Read what was written, in a process that has the handler."""
    (handler,) = [each for each in logger.handlers if isinstance(each, Tried)]
    return written(handler)


def test_the_end_waits_for_the_last_lines_and_not_for_a_handler(handler, wait_until):
    with LogProcess(Flag()):
        logger.info("the first")
        wait_until(lambda: "the first" in written(handler))  # or it may still be starting
        logger.info("the last")
    assert "the last" in written(handler)

    process = LogProcess(Flag())
    process.start()
    handler.wall.touch()
    logger.info("never")
    began = time.monotonic()
    process.close()

    assert time.monotonic() - began < 5
    assert not process.child.is_running
    handler.wall.unlink()


def test_loggers_are_as_before_when_it_is_over(handler):
    handle = logging.Logger.handle

    with LogProcess(Flag()):
        assert logging.Logger.handle is not handle

    logger.info("here")
    assert logging.Logger.handle is handle
    assert f"{os.getpid()} here" in written(handler)


def test_a_factory_of_records_that_fails_costs_nothing(process, until, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(fail)
    try:
        logger.info("%s of %s", 1, 2)
    finally:
        logging.setLogRecordFactory(before)

    until("1 of 2")
