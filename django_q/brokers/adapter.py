"""Adapt a broker whose ``dequeue()`` was written for django-q2 to the contract with leases."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django_q.brokers.base import Broker, Delivery
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import (
    CANCEL_ORDER,
    LIMIT_ORDER,
    ORDERS,
    PAUSE_ORDER,
    unsupported_order,
)
from django_q.brokers.terms import Enqueued, Terms
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import UnsupportedOrder
from django_q.text.error_text import short_repr

#: Methods that call those of the adapted broker, where it has them.
DELEGATED_METHODS = """
    enqueue_many enqueue_once enqueue_many_once release_once_keys delete delete_queue purge_queue
    fail queue_size lock_size dead_size ping set_stat get_stat get_stats scheduler_wakeup refusal
""".split()
#: Methods of tasks with terms, and lists of tasks, which no broker of the predecessors has: one of
#: the same name does something else there.
DELEGATED_METHODS_WITH_TERMS = """
    replace_task find_duplicate find list_tasks count_tasks queue_names clear_expired_keys
""".split()
#: Methods that call those of the adapted broker where that obeys one of these orders.
ORDERS_BY_METHOD = {
    "cancel_task": {CANCEL_ORDER},
    "post_notice": {CANCEL_ORDER},
    "withdraw_notices": {CANCEL_ORDER},
    "notices": {CANCEL_ORDER},
    "notices_version": {CANCEL_ORDER},
    "pause": {PAUSE_ORDER},
    "resume": {PAUSE_ORDER},
    "set_limit": {LIMIT_ORDER},
    "control": ORDERS,
}
#: Errors that mean a driver can not use a receipt: those of Python, and others by class name.
INVALID_RECEIPT_ERRORS = (TypeError, ValueError, AttributeError, LookupError)
INVALID_RECEIPT_ERROR_NAMES = ("DataError", "ParamValidationError")


class BrokerAdapter(Broker):
    """A broker whose ``dequeue()`` returns (ack_id, payload) pairs, one pair, or None.

    Its leases can not be extended, and it reports neither attempts nor whether a receipt is stale:
    so each delivery counts as the first attempt, and each receipt as valid. Whether it delivers
    again is unknown, so its deliveries are run however late that is.

    A subclass of one of our brokers may return what ``super().dequeue()`` gave. Such deliveries are
    recognised by their receipts, and keep lease and attempt.
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
        """The database of the adapted broker's queue; None where it is in none."""
        return getattr(self.broker, "alias", None)

    @property
    def has_exact_sizes(self) -> bool:
        """Whether the sizes that the adapted broker gives are exact."""
        return getattr(self.broker, "has_exact_sizes", False)

    @property
    def serves(self) -> frozenset[str]:
        """The options that the adapted broker knows; none where it does not say so."""
        return frozenset(getattr(self.broker, "serves", None) or ())

    @property
    def obeys(self) -> frozenset[str]:
        """The orders that the adapted broker knows; none where it does not say so."""
        return frozenset(getattr(self.broker, "obeys", None) or ())

    @property
    def keeps_state(self) -> bool:
        """Whether the adapted broker keeps states; only one that derives from ours can say so."""
        return isinstance(self.broker, Broker) and self.broker.keeps_state

    @property
    def is_held(self) -> bool:
        """Whether the adapted broker took nothing because its queue is held."""
        return isinstance(self.broker, Broker) and self.broker.is_held

    @property
    def seen_notices_version(self) -> int:
        """The version of the notices that the adapted broker has seen."""
        return self.broker.seen_notices_version if isinstance(self.broker, Broker) else 0

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions raised when the server does not answer."""
        return getattr(self.broker, "errors", None) or super().errors

    @property
    def notify_schedulers(self) -> Callable[[], None] | None:
        """Notifies schedulers that a schedule was saved; None where the broker has no way."""
        return getattr(self.broker, "notify_schedulers", None)

    @property
    def result_channel(self) -> Callable[[], Any] | None:
        """Makes what tells that tasks have ended; None where the broker has no way."""
        return getattr(self.broker, "result_channel", None)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Put a payload at the end of the queue; a delay needs a broker whose method takes one."""
        if delay <= 0:
            return self.broker.enqueue(payload)
        if not accepts_arguments(self.broker.enqueue, payload, delay):
            raise NotImplementedError(
                f"A delayed task needs a broker whose enqueue() takes a delay, and "
                f"{type(self.broker).__name__} has none. See django_q.brokers.Broker."
            )
        return self.broker.enqueue(payload, delay)

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        """Enqueue payloads with terms, which needs a broker that serves their options."""
        if not self.serves:
            raise NotImplementedError(
                f"A task with terms needs a broker that serves their options, and "
                f"{type(self.broker).__name__} serves none. See django_q.brokers.Broker."
            )
        return self.broker.enqueue_tasks(tasks)

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Call the adapted ``dequeue`` until it returns something, or the wait ends."""
        end = self.wait_deadline(wait)
        while (
            not (given := self._dequeue_once(limit, end)) and (left := end - time.monotonic()) > 0
        ):
            if wait_until_readable([self.wake_fd], min(left, self._pause)):
                break
        self.redelivers = bool(given) and all(isinstance(each, Delivery) for each in given)
        return [as_delivery(each) for each in given]

    def _dequeue_once(self, limit: int, end: float) -> list:
        """Call the adapted ``dequeue`` once, and find out whether it waits by itself."""
        start = time.monotonic()
        options: dict[str, Any] = {}
        if isinstance(self.broker, Broker):
            self.broker.wake_fd = self.wake_fd  # a subclass of one of our brokers may wait on it
            self.broker.cluster_id = self.cluster_id
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
        """Acknowledge by a receipt of unknown form; None is no receipt."""
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
            # No outage: to try again would not help, and would delay all other receipts.
            logger.error(
                "%s can not acknowledge the receipt %s that its dequeue() gave: %r",
                type(self.broker).__name__,
                short_repr(ack_id),
                error,
            )

    def extend(self, ack_ids: Iterable, seconds: float) -> set:
        """Extend the leases of deliveries that came from one of our brokers."""
        own, _others = self._split_receipts(ack_ids)
        return self.broker.extend(own, seconds) if own else set()

    def release(
        self,
        ack_ids: Iterable,
        delay: float = 0,
        count: bool = True,
        states: Mapping[Any, KeptState] | None = None,
    ) -> set:
        """Release deliveries that came from one of our brokers."""
        own, _others = self._split_receipts(ack_ids)
        options = {"states": states} if states and self.keeps_state else {}
        return self.broker.release(own, delay, count, **options) if own else set()

    def keep_state(self, states: Mapping[Any, KeptState]) -> set:
        """Keep texts beside the payloads of deliveries that came from one of our brokers."""
        own, _others = self._split_receipts(states)
        if not own or not self.keeps_state:
            return set()
        return self.broker.keep_state({ack_id: states[ack_id] for ack_id in own})

    def kept_state(self, ack_id: Any) -> KeptState | None:
        """Read what is kept beside a payload, where the adapted broker keeps anything."""
        is_kept = self.keeps_state and self._is_own_receipt(ack_id)
        return self.broker.kept_state(ack_id) if is_kept else None

    def read(self, ack_id: Any) -> str | bytes | None:
        """Return the payload of a delivery that came from one of our brokers; None of any other."""
        return self.broker.read(ack_id) if self._is_own_receipt(ack_id) else None

    def move_to_dead_letters(self, ack_id: Any, payload: str | bytes) -> None:
        """End a delivery that can not be read."""
        if self._is_own_receipt(ack_id):
            self.broker.move_to_dead_letters(ack_id, payload)
        elif ack_id is not None:
            self.fail(ack_id)

    def _split_receipts(self, ack_ids: Iterable) -> tuple[list, list]:
        """Split receipts into those of our broker and those that the subclass made itself."""
        parts: tuple[list, list] = ([], [])
        for ack_id in ack_ids:
            parts[not self._is_own_receipt(ack_id)].append(ack_id)
        return parts

    def _is_own_receipt(self, ack_id: Any) -> bool:
        """Return True if a receipt looks like one of our broker, from which the class derives."""
        pattern = getattr(self.broker, "receipt_pattern", None)
        return bool(pattern) and isinstance(ack_id, str) and bool(re.fullmatch(pattern, ack_id))

    def unsupported(self, order: str) -> UnsupportedOrder:
        """Make the error for an order that the adapted broker does not know."""
        return unsupported_order(self.broker, order)

    def info(self) -> str:
        """Return the adapted broker's description of itself, or the name of its class."""
        info = getattr(self.broker, "info", None)
        return info() if info else type(self.broker).__name__

    def close(self) -> None:
        """Close the connections, if the adapted broker can."""
        if close := getattr(self.broker, "close", None):
            close()


def accepts_arguments(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Return True if a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def as_list(given: Any) -> list:
    """Make a list of what a ``dequeue()`` returned: pairs or deliveries, only one, or nothing."""
    if not given:
        return []
    is_one = isinstance(given, tuple) and not isinstance(given[0], (tuple, list))
    return [given] if is_one else list(given)


def as_delivery(given: Any) -> Delivery:
    """Make a delivery of one (receipt, payload) or (receipt, payload, attempt)."""
    if isinstance(given, Delivery):
        return given
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(
            f"dequeue() must give pairs of a receipt and a payload; got {short_repr(given)}. "
            "See django_q.brokers.Broker."
        )
    return Delivery(*given, 1) if len(given) == 2 else Delivery(*given)


def delegated_method(name: str) -> Callable:
    """Make a method that calls the adapted broker's, or ``Broker``'s where that has none."""
    default = getattr(Broker, name)

    def method(self: BrokerAdapter, *args: Any, **kwargs: Any) -> Any:
        if name in ORDERS_BY_METHOD:
            is_known = bool(ORDERS_BY_METHOD[name] & self.obeys)
        else:
            is_known = name in DELEGATED_METHODS or hasattr(self.broker, "serves")
        inner = getattr(self.broker, name, None) if is_known else None
        return inner(*args, **kwargs) if inner else default(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, default.__doc__
    return method


for _name in (*DELEGATED_METHODS, *DELEGATED_METHODS_WITH_TERMS, *ORDERS_BY_METHOD):
    setattr(BrokerAdapter, _name, delegated_method(_name))
