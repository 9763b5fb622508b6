"""What a store that takes nothing is called in the log, and when that is not worth a line."""

from __future__ import annotations

import time

from django_q.exceptions import StoreAway, StoreRefuses, brief
from django_q.processes.logs.repeated_errors import Complaint
from django_q.servers.database_errors import is_conflict

#: Seconds for which a transaction that loses against others is repeated without a word.
LOSING = 20.0


class Trouble(Complaint):
    """Says what keeps results waiting."""

    def tell(self, away: StoreAway, pause: float) -> None:
        """Say which store takes nothing, or what is refused."""
        if isinstance(away, StoreRefuses):
            self.say(str(away), "results wait: %s", away)
            return
        cause = away.__cause__ or away
        self.say(
            f"{away} {type(cause).__name__}",
            "results wait to be saved, as %s takes nothing; trying again in %.1f seconds: %s",
            away,
            pause,
            brief(cause),
        )


def is_passing(away: StoreAway, since: float) -> bool:
    """Whether a transaction has only lost against another, and not for long."""
    cause = away.__cause__
    return cause is not None and is_conflict(cause) and time.monotonic() - since < LOSING
