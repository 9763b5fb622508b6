"""What a process says of a step that fails again and again."""

from __future__ import annotations

import logging

from django_q.brokers.base import Broker
from django_q.exceptions import brief
from django_q.processes.logs.repeated_errors import Complaint


class Failures:
    """Logs failures of a step, less and less often, and the end of them."""

    def __init__(self, broker: Broker, step: str, end: str, level: int = logging.WARNING) -> None:
        self.broker = broker
        self.step, self.level = step, level
        self.complaint = Complaint(end)

    def log(self, error: BaseException, pause: float) -> None:
        """Log a failure, before a pause of so many seconds."""
        say, level = self.complaint.say, self.level
        if refusal := self.broker.refusal(error):
            say(refusal, "%s until that is mended: %s", self.step, refusal, level=level)
            return
        text = "%s, trying again in %.1f seconds: %s"
        say(type(error).__name__, text, self.step, pause, brief(error), level=level)

    def success(self) -> None:
        """Log that the step has succeeded, where it failed before."""
        self.complaint.end()
