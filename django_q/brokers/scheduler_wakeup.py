"""What wakes a scheduler when schedules have changed."""

from __future__ import annotations

from typing import Any

#: Seconds between two looks of a scheduler that hears of changes, and of one that does not.
NOTIFIED_CHECK_INTERVAL, UNNOTIFIED_CHECK_INTERVAL = 60.0, 5.0


class SchedulerWakeup:
    """Wakes a scheduler when schedules have changed; this one knows of no way."""

    #: Seconds after which to look whatever was heard.
    check_interval = UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Get ready before a look, so that what changes behind it is heard."""

    def sources(self) -> list[Any]:
        """List what becomes readable with a message."""
        return []

    def drain(self) -> None:
        """Read the messages that have arrived."""

    def close(self) -> None:
        """Let go of connections."""
