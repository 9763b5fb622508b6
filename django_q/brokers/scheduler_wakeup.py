"""Wake a scheduler when schedules have changed: the interface, and the default without a way."""

from __future__ import annotations

from typing import Any

#: Seconds between two checks by a scheduler that is notified of changes, and by one that is not.
NOTIFIED_CHECK_INTERVAL, UNNOTIFIED_CHECK_INTERVAL = 60.0, 5.0


class SchedulerWakeup:
    """Wakes a scheduler when schedules have changed. This one never does: it only polls."""

    #: Seconds after which the scheduler checks without having been notified.
    check_interval = UNNOTIFIED_CHECK_INTERVAL

    def listen(self) -> None:
        """Start to listen, before schedules are checked: so no change after the check is missed."""

    def sources(self) -> list[Any]:
        """List the sockets or descriptors that become readable when a notification arrives."""
        return []

    def drain(self) -> None:
        """Read the notifications that have arrived; after that the sources are not readable."""

    def close(self) -> None:
        """Close the connections."""
