"""Read the notices of a queue into the order table, when the broker has others than before."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import CANCEL_ORDER
from django_q.conf import logger
from django_q.processes.shared_state.order_table import Orders, OrderTable
from django_q.signing import BadSignature
from django_q.task_state.cancellation import read_notice
from django_q.text.printable import printable

#: Seconds between two questions for new notices while nothing is taken from the broker.
NOTICE_POLL_INTERVAL = 0.5


class NoticeReader:
    """The notices of a broker's queue, as far as a cluster has read them.

    It asks nothing of a broker that can not cancel, nor without a table to write to.
    """

    def __init__(
        self,
        broker: Broker,
        table: OrderTable | None,
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        self.broker, self.table = broker, table
        self.on_change = on_change  # called when the table has others
        self.is_active = table is not None and CANCEL_ORDER in broker.obeys
        self.version: int | None = None  # of what is in the table; None: it is to be read again
        self._next_check = -math.inf  # monotonic
        # What was verified: its meaning by key and text, None for a wrong signature.
        self._known: dict[tuple[str, str], str | None] = {}

    @property
    def poll_interval(self) -> float:
        """The seconds after which ``check`` is to be called again while nothing is taken."""
        return NOTICE_POLL_INTERVAL if self.is_active else math.inf

    def start(self) -> None:
        """Read the notices before the first take, and before the first after a failure."""
        if self.is_active and self.version is None:
            self.read()

    def forget(self) -> None:
        """Read the notices again at the next ``start``: the broker may have lost some."""
        self.version = None

    def heed(self, version: int) -> None:
        """Read the notices if they are others than before, by the version that a take has seen."""
        if self.is_active and version != self.version:
            self.read()

    def check(self) -> None:
        """Ask the broker for the version now and then, and read the notices if it is new."""
        now = time.monotonic()
        if self.is_active and now >= self._next_check:
            self._next_check = now + NOTICE_POLL_INTERVAL
            self.heed(self.broker.notices_version())

    def read(self) -> None:
        """Read the notices, and write those that are verified into the table."""
        notices = self.broker.notices()
        known = {(key, text): self.verified(key, text) for key, (_, text) in notices.values.items()}
        self._known = known
        orders: Orders = {
            key: (posted, meaning)
            for key, (posted, text) in notices.values.items()
            if (meaning := known[key, text]) is not None
        }
        if orders != self.table.read() or not self.table.version:
            self.table.write(orders)
            self.on_change()
        self.version = notices.version

    def verified(self, key: str, text: str) -> str | None:
        """Return what a notice says; None, and a warning, where its signature is wrong."""
        if (key, text) in self._known:
            return self._known[key, text]
        try:
            return read_notice(self.broker.list_key, key, text)
        except BadSignature as error:
            logger.warning("the notice %s of the queue is ignored: %s", printable(key), error)
            return None
