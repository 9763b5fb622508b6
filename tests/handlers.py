"""Handlers of logs that tests put into the settings of a cluster."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path


class ToFile(logging.Handler):
    """Writes what it gets into the file that the environment names, a line of JSON for each."""

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "text": self.format(record),
            "level": record.levelname,
            "process": record.processName,
            "error": record.exc_info[0].__name__ if record.exc_info else None,
            "pid": os.getpid(),
        }
        with open(os.environ["DJANGO_Q_TEST_LINES"], "a") as file:
            file.write(json.dumps(line) + "\n")


class Waiting(ToFile):
    """Waits while the file is there that the environment names."""

    def emit(self, record: logging.LogRecord) -> None:
        wall = Path(os.environ["DJANGO_Q_TEST_WALL"])
        while wall.exists():
            threading.Event().wait(0.05)
        super().emit(record)


class Raising(ToFile):
    """Raises what is no ``Exception`` while the file is there that the environment names."""

    def emit(self, record: logging.LogRecord) -> None:
        if Path(os.environ["DJANGO_Q_TEST_WALL"]).exists():
            raise SystemExit("a handler may raise what it likes")
        super().emit(record)


class Closed(logging.StreamHandler):
    """Writes to a stream that is closed."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.close()
        super().emit(record)


class NoPusher(logging.Filter):
    """Lets everything through but what the pusher says."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.processName != "pusher"
