"""Brokers with a ``dequeue()`` as of django-q2, made to look like one that knows leases."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from django_q.brokers.base import Broker, Delivery
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import short_repr

#: What is asked of the broker inside, where it has it.
DELEGATED_METHODS = """
    enqueue_many enqueue_once release_once_keys delete delete_queue purge_queue fail queue_size
    lock_size dead_size ping set_stat get_stat get_stats scheduler_wakeup refusal
""".split()
#: What a driver raises that can not make anything of a receipt, beside errors of Python.
INVALID_RECEIPT_ERRORS = (TypeError, ValueError, AttributeError, LookupError)
INVALID_RECEIPT_ERROR_NAMES = ("DataError", "ParamValidationError")


class BrokerAdapter(Broker):
    """A broker whose ``dequeue()`` returns (ack_id, payload) pairs, one pair, or None.

    It has leases of its own that can not be extended, and tells neither attempts nor whether a
    receipt is stale: each delivery counts as the first, and each receipt as good. Whether it
    delivers again is unknown, so what it has given is run however late that is.

    A subclass of a broker of ours may have got its deliveries from that, by ``super().dequeue()``.
    They are told by their receipts, and keep all that they have.
    """

    def __init__(self, broker: Any) -> None:
        super().__init__(broker.list_key)
        self.broker = broker
        self.redelivers = False

    def __getstate__(self) -> Any:
        return self.broker

    def __setstate__(self, state: Any) -> None:
        self.__init__(state)

    @property
    def alias(self) -> str | None:
        """The database that its queue is in, if it is in one."""
        return getattr(self.broker, "alias", None)

    @property
    def has_exact_sizes(self) -> bool:
        """Whether its sizes are exact."""
        return getattr(self.broker, "has_exact_sizes", False)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What is raised when the server does not answer."""
        return getattr(self.broker, "errors", None) or super().errors

    @property
    def notify_schedulers(self) -> Callable[[], None] | None:
        """Tells schedulers that a schedule was saved, where that goes by the broker's server."""
        return getattr(self.broker, "notify_schedulers", None)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Put a payload at the end of the queue; a delay needs a broker that knows them."""
        if delay <= 0:
            return self.broker.enqueue(payload)
        if not accepts_arguments(self.broker.enqueue, payload, delay):
            raise NotImplementedError(
                f"A delayed task needs a broker whose enqueue() takes a delay, and "
                f"{type(self.broker).__name__} has none. See django_q.brokers.Broker."
            )
        return self.broker.enqueue(payload, delay)

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take what the broker gives, asking again until something came in time."""
        end = self.wait_deadline(wait)
        while (
            not (given := self._dequeue_once(limit, end)) and (left := end - time.monotonic()) > 0
        ):
            if wait_until_readable([self.wake_fd], min(left, self._pause)):
                break
        self.redelivers = bool(given) and all(isinstance(each, Delivery) for each in given)
        return [as_delivery(each) for each in given]

    def _dequeue_once(self, limit: int, end: float) -> list:
        """Take what there is, and see whether the broker itself waits for it."""
        start = time.monotonic()
        options: dict[str, Any] = {}
        if isinstance(self.broker, Broker):
            self.broker.wake_fd = self.wake_fd  # it waits, if it derives from one that can
            options = {"limit": limit, "wait": max(0.0, end - start)}
        if not accepts_arguments(self.broker.dequeue, **options):
            options = {}
        given = as_list(self.broker.dequeue(**options))
        self._pause = 0 if time.monotonic() - start >= Conf.POLL else Conf.POLL
        return given

    def acknowledge(self, ack_id: Any) -> bool:
        """End a delivery for good."""
        return not self.acknowledge_many([ack_id])

    def acknowledge_many(self, ack_ids: Iterable) -> set:
        """End deliveries for good. Returns those that are known to be stale."""
        own, others = self._split_receipts(ack_ids)
        for ack_id in others:
            self._acknowledge(ack_id)
        return self.broker.acknowledge_many(own) if own else set()

    def _acknowledge(self, ack_id: Any) -> None:
        """Acknowledge by a receipt that nobody knows the form of; None is none."""
        if ack_id is None:
            return
        try:
            self.broker.acknowledge(ack_id)
        except Exception as error:
            if (
                not isinstance(error, INVALID_RECEIPT_ERRORS)
                and type(error).__name__ not in INVALID_RECEIPT_ERROR_NAMES
            ):
                raise
            # The server is not away: to try again would be of no use, and hold up all others.
            logger.error(
                "%s can not acknowledge the receipt %s that its dequeue() gave: %r",
                type(self.broker).__name__,
                short_repr(ack_id),
                error,
            )

    def extend(self, ack_ids: Iterable, seconds: float) -> set:
        """Extend the leases of deliveries that came from a broker of ours."""
        own, _others = self._split_receipts(ack_ids)
        return self.broker.extend(own, seconds) if own else set()

    def release(self, ack_ids: Iterable, delay: float = 0, count: bool = True) -> set:
        """Hand deliveries back that came from a broker of ours."""
        own, _others = self._split_receipts(ack_ids)
        return self.broker.release(own, delay, count) if own else set()

    def read(self, ack_id: Any) -> str | bytes | None:
        """Give the payload of a delivery that came from a broker of ours."""
        return self.broker.read(ack_id) if self._is_own_receipt(ack_id) else None

    def move_to_dead_letters(self, ack_id: Any, payload: str | bytes) -> None:
        """End a delivery that can not be read."""
        if self._is_own_receipt(ack_id):
            self.broker.move_to_dead_letters(ack_id, payload)
        elif ack_id is not None:
            self.fail(ack_id)

    def _split_receipts(self, ack_ids: Iterable) -> tuple[list, list]:
        """Part the receipts of a broker of ours from those of the subclass itself."""
        parts: tuple[list, list] = ([], [])
        for ack_id in ack_ids:
            parts[not self._is_own_receipt(ack_id)].append(ack_id)
        return parts

    def _is_own_receipt(self, ack_id: Any) -> bool:
        """Whether a receipt may be one of the broker of ours that the one inside derives from."""
        form = getattr(self.broker, "receipt_pattern", None)
        return bool(form) and isinstance(ack_id, str) and bool(re.fullmatch(form, ack_id))

    def info(self) -> str:
        """Name what the broker says it is, or its class."""
        info = getattr(self.broker, "info", None)
        return info() if info else type(self.broker).__name__

    def close(self) -> None:
        """Drop the connections, if the broker knows how."""
        if close := getattr(self.broker, "close", None):
            close()


def accepts_arguments(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Tell whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def as_list(given: Any) -> list:
    """List what a ``dequeue()`` has given: pairs or deliveries, only one of them, or nothing."""
    if not given:
        return []
    is_one = isinstance(given, tuple) and not isinstance(given[0], (tuple, list))
    return [given] if is_one else list(given)


def as_delivery(given: Any) -> Delivery:
    """Make a delivery of what a ``dequeue()`` has given."""
    if isinstance(given, Delivery):
        return given
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(
            f"dequeue() must give pairs of a receipt and a payload; got {short_repr(given)}. "
            "See django_q.brokers.Broker."
        )
    return Delivery(*given, 1) if len(given) == 2 else Delivery(*given)


def delegated_method(name: str) -> Callable:
    """Make the method that asks the broker inside, or does as all do where that has none."""
    default = getattr(Broker, name)

    def method(self: BrokerAdapter, *args: Any, **kwargs: Any) -> Any:
        inner = getattr(self.broker, name, None)
        return inner(*args, **kwargs) if inner else default(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, default.__doc__
    return method


for _name in DELEGATED_METHODS:
    setattr(BrokerAdapter, _name, delegated_method(_name))
