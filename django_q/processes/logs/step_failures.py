"""Log lines about a step of a process that fails again and again."""

from __future__ import annotations

import logging

from django_q.brokers.base import Broker
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.servers.advice import with_advice
from django_q.text.error_text import error_summary


class StepFailureLog:
    """Logs failures of a step, less and less often, and that it succeeds again."""

    def __init__(
        self, broker: Broker, step: str, recovery_text: str, level: int = logging.WARNING
    ) -> None:
        self.broker = broker
        self.step, self.level = step, level
        self.throttled_log = ThrottledLog(recovery_text)

    def log(self, error: BaseException, pause: float) -> None:
        """Log a failure; the step is tried again in ``pause`` seconds."""
        log, level = self.throttled_log.log, self.level
        if refusal := self.broker.refusal(error):
            log(refusal, "%s until that is mended: %s", self.step, refusal, level=level)
            return
        text, summary = "%s, trying again in %.1f seconds: %s", error_summary(error)
        summary = with_advice(summary, error)
        log(type(error).__name__, text, self.step, pause, summary, level=level)

    def success(self) -> None:
        """Log that the step succeeds again, if it failed before."""
        self.throttled_log.log_recovery()
