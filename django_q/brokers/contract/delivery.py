"""A delivery: what a broker gives to a process that takes from its queue."""

from __future__ import annotations

from typing import Any, NamedTuple

from django_q.brokers.contract.kept_state import KeptState


class Delivery(NamedTuple):
    """A payload that is leased to the process that took it."""

    #: The receipt, another for each delivery: a later delivery makes it stale.
    ack_id: Any
    #: A signed package, as it was enqueued.
    payload: str | bytes
    #: The number of this delivery, from 1.
    attempt: int
    #: Seconds after which it must not be begun any more; None for never.
    expires_in: float | None = None
    #: What was kept beside the payload by earlier attempts; None where nothing was.
    state: KeptState | None = None
