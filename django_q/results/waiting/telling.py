"""Tell those who wait, in the monitor, which tasks have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from django_q.brokers.contract.result_channel import ResultChannel, mark_of
from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.results.waiting.channels import channel_of
from django_q.text.error_text import error_summary, safe_str
from django_q.wire.package import TaskPackage

#: Seconds until it is asked again whether somebody waits, when nobody did, and after an error.
ASK_INTERVAL, FAILED_ASK_INTERVAL = 1.0, 30.0
#: Seconds between two messages while results come one batch after the other: on PostgreSQL each
#: message is a commit, which takes from those of the results.
TELL_INTERVAL = 0.02


class ResultTeller:
    """Tells what has ended, while somebody waits. Whatever fails here costs no task anything."""

    def __init__(self, broker: Any, note_waiters: Callable[[], None] = lambda: None) -> None:
        self.note_waiters = note_waiters  #: called when somebody was told
        self.channel: ResultChannel | None = channel_of(broker)
        if self.channel and not self.channel.needs_telling:
            self.channel = None
        self.next_time = self.told_at = 0.0  # monotonic
        self.has_failed = False
        self.held_marks: set[str] = set()  # to be told with the next message

    def tell(
        self, packages: Sequence[TaskPackage], is_urgent: Callable[[], bool] = lambda: True
    ) -> None:
        """Tell that tasks have ended, when their results are saved. Never raises.

        What is not urgent may be held, until the next call or ``flush``.
        """
        now = time.monotonic()
        if self.channel is None or not packages or now < self.next_time:
            return
        self.held_marks |= marks_of(packages)
        if now - self.told_at >= TELL_INTERVAL or is_urgent():
            self.flush()

    def flush(self) -> None:
        """Tell what is held. Never raises."""
        if not self.held_marks or self.channel is None:
            return
        marks, self.held_marks = sorted(self.held_marks), set()
        try:
            is_received = self.channel.tell(marks)
            self.has_failed = False
            self.told_at = time.monotonic()
            self.next_time = 0.0 if is_received else self.told_at + ASK_INTERVAL
            if is_received:
                self.note_waiters()
        except BaseException as error:  # whatever a driver raises
            contain_error(error)
            self.next_time = time.monotonic() + FAILED_ASK_INTERVAL
            self.log_failure(error)

    def log_failure(self, error: BaseException) -> None:
        """Log once that nobody is told, until somebody could be."""
        if not self.has_failed:
            text = "whoever waits for a result polls for it, as nobody can be told: %s"
            logger.warning(text, error_summary(error))
        self.has_failed = True


def marks_of(packages: Sequence[TaskPackage]) -> set[str]:
    """Make the marks of tasks: of their ids, their names and their groups."""
    names = {package[key] for package in packages for key in ("id", "name") if package.get(key)}
    names |= {safe_str(package["group"]) for package in packages if package.get("group")}
    return {mark_of(name) for name in names}
