"""Errors that repeat are logged less and less often."""

from __future__ import annotations

import logging
import time

from django_q.conf import logger

#: Seconds between two lines about the same cause: at first, and at most.
REPEATED_LOG_SECONDS = (5.0, 600.0)


class ThrottledLog:
    """Logs an error at once, and while it lasts after pauses that double. True while it lasts.

    ``recovery_text`` is the line that is logged when it is over.
    """

    def __init__(self, recovery_text: str) -> None:
        self.recovery_text = recovery_text
        self.due: dict[str, tuple[float, float]] = {}  # by the cause; monotonic, and the pause

    def __bool__(self) -> bool:
        return bool(self.due)

    def log(
        self,
        cause: str,
        text: str,
        *args: object,
        level: int = logging.ERROR,
        exc_info: Exception | None = None,
    ) -> bool:
        """Log a line about a cause, unless its pause lasts; return whether it was logged."""
        now = time.monotonic()
        due, pause = self.due.get(cause, (now, REPEATED_LOG_SECONDS[0] / 2))
        if now < due:
            return False
        pause = min(pause * 2, REPEATED_LOG_SECONDS[1])
        self.due[cause] = now + pause, pause
        logger.log(level, text, *args, exc_info=exc_info)
        return True

    def log_recovery(self) -> None:
        """Log that the errors are over, if there were any."""
        if self.due:
            self.due.clear()
            logger.info(self.recovery_text)
