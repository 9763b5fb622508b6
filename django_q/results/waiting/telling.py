"""Tell those who wait, in the monitor, which tasks have ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django_q.brokers.contract.result_channel import ResultChannel, mark_of
from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.results.pruning import WaitedFor
from django_q.results.waiting.channels import channel_of
from django_q.text.error_text import error_summary, safe_str
from django_q.wire.package import TaskPackage

#: Seconds until it is asked again whether somebody waits, when nobody did, and after an error.
ASK_INTERVAL, FAILED_ASK_INTERVAL = 1.0, 30.0


class ResultTeller:
    """Tells what has ended, while somebody waits. Whatever fails here costs no task anything."""

    def __init__(self, broker: Any) -> None:
        self.channel: ResultChannel | None = channel_of(broker)
        if self.channel and not self.channel.needs_telling:
            self.channel = None
        self.next_time = 0.0  # monotonic
        self.has_failed = False

    def tell(self, packages: Sequence[TaskPackage]) -> None:
        """Tell that tasks have ended, when their results are saved. Never raises."""
        if self.channel is None or not packages or time.monotonic() < self.next_time:
            return
        try:
            is_received = self.channel.tell(marks_of(packages))
            self.has_failed = False
            self.next_time = 0.0 if is_received else time.monotonic() + ASK_INTERVAL
            if is_received:
                WaitedFor.record()
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


def marks_of(packages: Sequence[TaskPackage]) -> list[str]:
    """List the marks of tasks: of their ids, their names and their groups, each once."""
    names = {package[key] for package in packages for key in ("id", "name") if package.get(key)}
    names |= {safe_str(package["group"]) for package in packages if package.get("group")}
    return [mark_of(name) for name in names]
