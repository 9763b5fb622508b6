"""What a store that takes nothing is called in the log, and when that is not worth a line."""

from __future__ import annotations

import time

from django_q.exceptions import StoreCommandRefused, StoreUnavailable, error_summary
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.servers.database_errors import is_conflict

#: Seconds for which a transaction that loses against others is repeated without a word.
SILENT_CONFLICT_SECONDS = 20.0


class OutageLog(ThrottledLog):
    """Says what keeps results waiting."""

    def log_outage(self, away: StoreUnavailable, pause: float) -> None:
        """Say which store takes nothing, or what is refused."""
        if isinstance(away, StoreCommandRefused):
            self.log(str(away), "results wait: %s", away)
            return
        cause = away.__cause__ or away
        self.log(
            f"{away} {type(cause).__name__}",
            "results wait to be saved, as %s takes nothing; trying again in %.1f seconds: %s",
            away,
            pause,
            error_summary(cause),
        )


def is_brief_conflict(away: StoreUnavailable, since: float) -> bool:
    """Whether a transaction has only lost against another, and not for long."""
    cause = away.__cause__
    return (
        cause is not None
        and is_conflict(cause)
        and time.monotonic() - since < SILENT_CONFLICT_SECONDS
    )
