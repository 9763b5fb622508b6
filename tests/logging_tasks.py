"""Tasks that log and print, and end in different ways."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

logger = logging.getLogger("tests.invoices")


def log_and_print(number: int, token: str = "") -> int:
    """Log a warning and an error, and print."""
    logger.warning("invoice %s with %s", number, token)
    print("printed", number, token)
    print("to stderr", file=sys.stderr)
    try:
        raise ValueError("no such customer")
    except ValueError:
        logger.exception("invoice %s failed", number)
    return number


def log_elsewhere() -> None:
    """Print in a thread and in a forked child."""
    thread = threading.Thread(target=print, args=("in a thread",))
    thread.start()
    thread.join()
    if os.fork() == 0:
        print("in a child")
        sys.stdout.flush()
        os._exit(0)
    os.wait()


def say_nothing() -> None:
    """Do nothing."""


def log_until_killed(path: str, *, dies: bool = False) -> int:
    """Log how many runs there were; the first one goes on until it is ended from outside."""
    runs = len(Path(path).read_text()) + 1 if Path(path).exists() else 1
    Path(path).write_text("x" * runs)
    logger.warning("run %s", runs)
    if runs == 1 and dies:
        os.kill(os.getpid(), signal.SIGKILL)
    while runs == 1:
        wait_out_signals()
    return runs


def wait_out_signals() -> None:
    """Sleep, and swallow what a Unix signal raises, so that the worker must be killed."""
    try:
        time.sleep(1)
    except BaseException as error:
        logger.warning("swallowed %s", type(error).__name__)


def log_lines(count: int, text: Any) -> None:
    """Log so many lines."""
    for number in range(count):
        logger.warning("%s %s", number, text)
