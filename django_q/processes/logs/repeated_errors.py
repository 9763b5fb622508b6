"""What goes wrong again and again is said less and less often."""

from __future__ import annotations

import logging
import time

from django_q.conf import logger

#: Seconds between two lines about the same: at first, and at most.
REPEATED_LOG_SECONDS = (5.0, 600.0)


class ThrottledLog:
    """Says what goes wrong: at once, and while it lasts half as often each time.

    ``recovery_text`` is what is said when it goes wrong no more.
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
        """Say something about a cause, unless that was said lately; whether it was said."""
        now = time.monotonic()
        due, pause = self.due.get(cause, (now, REPEATED_LOG_SECONDS[0] / 2))
        if now < due:
            return False
        pause = min(pause * 2, REPEATED_LOG_SECONDS[1])
        self.due[cause] = now + pause, pause
        logger.log(level, text, *args, exc_info=exc_info)
        return True

    def log_recovery(self) -> None:
        """Note that all is well."""
        if self.due:
            self.due.clear()
            logger.info(self.recovery_text)
