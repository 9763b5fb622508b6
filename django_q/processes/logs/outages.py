"""Log lines about a store that is unavailable, and which conflicts are not logged."""

from __future__ import annotations

import time

from django_q.exceptions import StoreCommandRefused, StoreUnavailable
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.servers.database_errors import is_conflict
from django_q.text.error_text import error_summary

#: Seconds for which a transaction that conflicts with others is repeated without a log line.
SILENT_CONFLICT_SECONDS = 20.0


class OutageLog(ThrottledLog):
    """Logs which store keeps results waiting."""

    def log_outage(self, error: StoreUnavailable, pause: float) -> None:
        """Log which store is unavailable, or what it refuses; ``pause`` is until the next try."""
        if isinstance(error, StoreCommandRefused):
            self.log(str(error), "results wait: %s", error)
            return
        cause = error.__cause__ or error
        self.log(
            f"{error} {type(cause).__name__}",
            "results wait to be saved, as %s takes nothing; trying again in %.1f seconds: %s",
            error,
            pause,
            error_summary(cause),
        )


def is_brief_conflict(error: StoreUnavailable, since: float) -> bool:
    """Whether a transaction has conflicted with others only for a short time, since ``since``."""
    cause = error.__cause__
    return (
        cause is not None
        and is_conflict(cause)
        and time.monotonic() - since < SILENT_CONFLICT_SECONDS
    )
