"""Brokers written for django-q2, made to look like one that knows leases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from django_q.brokers.base import Broker, Delivery
from django_q.conf import Conf
from django_q.waiting import readable

#: What is asked of the broker inside, where it has it.
PASSED_ON = """
    delete delete_queue purge_queue fail queue_size lock_size ping set_stat get_stat get_stats
    refusal
""".split()


class Adapted(Broker):
    """A broker whose ``dequeue()`` returns (ack_id, payload) pairs, or None.

    It has leases of its own that can not be extended, and tells neither attempts nor whether a
    receipt is stale: each delivery counts as the first, and each receipt as good. Whether it
    delivers again is unknown, so what it has given is run however late that is.
    """

    delivers_again = False

    def __init__(self, broker: Any) -> None:
        super().__init__(broker.list_key)
        self.broker = broker

    def __getstate__(self) -> Any:
        return self.broker

    def __setstate__(self, state: Any) -> None:
        self.__init__(state)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Put a payload at the end of the queue; there is no way to delay it."""
        if delay > 0:
            raise NotImplementedError(
                f"A delayed task needs a broker whose enqueue() takes a delay, and "
                f"{type(self.broker).__name__} has none. See django_q.brokers.Broker."
            )
        return self.broker.enqueue(payload)

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take what the broker gives, asking again until something came in time."""
        end = self.end_of_wait(wait)
        while not (pairs := self._ask()) and (left := end - time.monotonic()) > 0:
            if readable([self.wake_fd], min(left, self._pause)):
                break
        return [Delivery(ack_id, payload, 1) for ack_id, payload in pairs or ()]

    def _ask(self) -> list | None:
        """Take what there is, and see whether the broker itself waits for it."""
        start = time.monotonic()
        pairs = self.broker.dequeue()
        self._pause = 0 if time.monotonic() - start >= Conf.POLL else Conf.POLL
        return pairs

    def acknowledge(self, ack_id: Any) -> bool:
        """End a delivery for good."""
        self.broker.acknowledge(ack_id)
        return True

    def acknowledge_many(self, ack_ids: Iterable) -> set:
        """End deliveries for good."""
        for ack_id in ack_ids:
            self.broker.acknowledge(ack_id)
        return set()

    def info(self) -> str:
        """Name what the broker says it is, or its class."""
        info = getattr(self.broker, "info", None)
        return info() if info else type(self.broker).__name__

    def close(self) -> None:
        """Drop the connections, if the broker knows how."""
        if close := getattr(self.broker, "close", None):
            close()


def passed_on(name: str) -> Callable:
    """Make the method that asks the broker inside, or does as all do where that has none."""
    default = getattr(Broker, name)

    def method(self: Adapted, *args: Any, **kwargs: Any) -> Any:
        inner = getattr(self.broker, name, None)
        return inner(*args, **kwargs) if inner else default(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, default.__doc__
    return method


for _name in PASSED_ON:
    setattr(Adapted, _name, passed_on(_name))
