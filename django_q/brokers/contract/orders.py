"""Orders: what people tell a queue, or all who run its tasks, while tasks are unfinished.

Pause and limit stand beside the queue, and a take asks for them. A cancelled task is marked in the
queue where the broker can find it. All else is a *notice*, a short text that clusters read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django_q.brokers.contract.kept_state import KeptState
from django_q.exceptions import TooManyNotices, UnsupportedOrder

#: Orders that a broker may know; ``Broker.obeys`` names those that it does.
CANCEL_ORDER, PAUSE_ORDER, LIMIT_ORDER = "cancel", "pause", "limit"
ORDERS = frozenset({CANCEL_ORDER, PAUSE_ORDER, LIMIT_ORDER})
#: Notices of a queue at most. One more is refused, so that none is lost.
MAX_NOTICES = 5000
#: Seconds for which a notice is kept at most.
NOTICE_SECONDS = 7 * 86400
#: What became of a task that is to be cancelled: it never begins; or it is leased, and may end as
#: it likes.
REMOVED, REQUESTED = "removed", "requested"


class QueueControl(NamedTuple):
    """What holds a queue back."""

    #: Whether no cluster takes from it.
    is_paused: bool = False
    #: Ids of clusters that do not take from it.
    paused_clusters: frozenset[str] = frozenset()
    #: How many of its tasks may be leased at a time, by all clusters together; None for any number.
    limit: int | None = None


class Notices(NamedTuple):
    """The notices of a queue at one moment."""

    #: Changes with each change of them, and only grows.
    version: int
    #: By key: the time when each was posted, in seconds since the epoch by the clock of the
    #: broker's server, and its text.
    values: dict[str, tuple[float, str]]


class SteeredQueue:
    """The part of ``Broker`` that takes orders. A broker that knows none refuses each."""

    #: The orders that it knows, of ``ORDERS``. Empty for a subclass that overrides ``dequeue``,
    #: unless it says otherwise. It has the methods all the same: so ask here before an order.
    obeys: frozenset[str] = frozenset()
    #: Whether it keeps a ``KeptState`` beside a payload: ``keep_state`` and ``release`` take one.
    #: False for a subclass that overrides ``dequeue``, or ``release`` without ``states``, unless it
    #: says otherwise.
    keeps_state = False
    #: How many notices it keeps at most.
    max_notices = MAX_NOTICES
    #: The id of the cluster that takes, where it is one: an order may be for that alone.
    cluster_id = ""
    #: Whether the last ``dequeue`` took nothing while the queue was paused or at its limit, whether
    #: or not anything waits.
    is_held = False
    #: The version of the notices, as far as the last ``dequeue`` has seen it.
    seen_notices_version = 0

    def keep_state(self, states: Mapping[Any, KeptState]) -> set[Any]:
        """Keep texts beside the payloads of deliveries, by receipt; empty ones change nothing.

        Nor does ``KeptState.cancelled``: only ``cancel_task`` marks a task. Returns the receipts
        that were stale.
        """
        return set(states)

    def kept_state(self, ack_id: Any) -> KeptState | None:
        """Read what is kept beside the payload of a delivery; None if nothing is, or it is stale.

        For the monitor, which records the end of a task whose worker has died.
        """
        return None

    def cancel_task(self, task_id: str, mark: str) -> str | None:
        """Mark an unfinished task that has terms as cancelled, by its id.

        The mark is ``KeptState.cancelled`` of its next delivery. One that is not leased may be
        taken at once, before all others, whatever its time or priority; also while the queue is
        paused or at its limit, where it counts as any other once it is leased. It has no unique key
        any more, nor waits for the task that has it. Returns ``REMOVED`` for that one,
        ``REQUESTED`` for one that is leased or has lost its lease, whose holder may go on, and None
        where it is not found. A task that is marked already keeps its mark. One that is marked can
        not be replaced: for a call of its unique key it is as if it was leased until it has ended.
        """
        raise self.unsupported(CANCEL_ORDER)

    def post_notice(self, key: str, text: str, seconds: float = NOTICE_SECONDS) -> None:
        """Post a notice, or replace the one of that key, with a new time.

        Raises ``TooManyNotices`` where there are ``max_notices`` others.
        """
        raise self.unsupported(CANCEL_ORDER)

    def withdraw_notices(self, keys: Iterable[str]) -> int:
        """Withdraw notices. Returns how many there were."""
        return 0

    def notices(self) -> Notices:
        """Read all notices that are not over."""
        return Notices(0, {})

    def notices_version(self) -> int:
        """Ask for the version of the notices."""
        return 0

    def pause(self, cluster_id: str = "") -> None:
        """Let nothing be taken any more, by one cluster or by any, until ``resume``.

        When it returns, nothing is. Tasks that are marked as cancelled are taken all the same.
        """
        raise self.unsupported(PAUSE_ORDER)

    def resume(self, cluster_id: str = "") -> bool:
        """End a pause, that of one cluster or that of all. Returns whether there was one."""
        raise self.unsupported(PAUSE_ORDER)

    def set_limit(self, limit: int | None) -> None:
        """Set how many tasks may be leased at a time, from 0 on; None for any number."""
        raise self.unsupported(LIMIT_ORDER)

    def control(self) -> QueueControl:
        """Read what holds the queue back."""
        return QueueControl()

    def unsupported(self, order: str) -> UnsupportedOrder:
        """Make the error for an order that this broker does not know."""
        return unsupported_order(self, order)


def unsupported_order(broker: Any, order: str) -> UnsupportedOrder:
    """Make the error for an order that a broker does not know."""
    return UnsupportedOrder(
        f"The broker {type(broker).__name__} can not {order}. Use Redis or a database for this "
        "queue."
    )


def too_many_notices(count: int) -> TooManyNotices:
    """Make the error for a queue that has so many notices that it takes no more."""
    return TooManyNotices(
        f"The queue has {count} notices that are not carried out yet, and takes no more. Cancel "
        "the tasks of a group, or all of the queue, by one order."
    )
