"""What a process says of a step that fails again and again."""

from __future__ import annotations

import logging

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.exceptions import brief


class Failures:
    """Logs failures of a step: an outage at each try, what a server refuses once, and the end."""

    def __init__(self, broker: Broker, step: str, end: str, level: int = logging.WARNING) -> None:
        self.broker = broker
        self.step, self.end = step, end
        self.level = level
        self.failed = False
        self.refusal: str | None = None  # which was logged

    def log(self, error: BaseException, pause: float) -> None:
        """Log a failure, before a pause of so many seconds."""
        self.failed = True
        refusal = self.broker.refusal(error)
        if refusal is None:
            cause = brief(error)
            logger.log(self.level, "%s, trying again in %.1f seconds: %s", self.step, pause, cause)
        elif refusal != self.refusal:
            logger.log(self.level, "%s until that is mended: %s", self.step, refusal)
        self.refusal = refusal

    def success(self) -> None:
        """Log that the step has succeeded, where it failed before."""
        if self.failed:
            self.failed, self.refusal = False, None
            logger.info(self.end)
