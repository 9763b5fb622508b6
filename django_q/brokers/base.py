"""What a broker does, in words and in the defaults that an old one gets by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError

from django_q.brokers.dependent_methods import (  # noqa: F401 - asked for here
    ONCE_KEY_GRACE_SECONDS,
    ONCE_KEY_SECONDS,
    install_dependent_methods,
)
from django_q.brokers.heartbeats import Heartbeats
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.conf import Conf
from django_q.exceptions import BrokerCommandRefused
from django_q.servers.connections import cache_of, redis_errors

#: Seconds that ``dequeue`` waits unless told: who can not be woken gets an answer soon. When it is
#: called again it looks anew, whatever it was told of meanwhile.
DEQUEUE_WAIT_SECONDS, WAKEABLE_WAIT_SECONDS = 1, 45
#: Added to a queue's name: where packages go that can not be read.
DEAD_SUFFIX = ":dead"


class Delivery(NamedTuple):
    """A payload that is leased to whoever took it."""

    #: The receipt, new for each delivery: a later delivery makes it stale.
    ack_id: Any
    #: A signed package, as it was enqueued.
    payload: str | bytes
    #: The number of this delivery, from 1.
    attempt: int


class Broker:
    """A queue of payloads, each leased to one taker at a time.

    A delivery is leased for ``Conf.RETRY`` seconds by the clock of the broker. When nobody has
    acknowledged, extended or released it by then, it is delivered again with ``attempt + 1`` and
    a new ``ack_id``. A stale ``ack_id`` changes nothing; methods say which ones were stale.

    Errors of a server that does not answer are those of its driver, named in ``errors``; callers
    retry.

    A subclass may know no more than ``enqueue``, ``dequeue`` and ``acknowledge``. Where one of a
    broker of ours overrides a method of the predecessors alone, what does it for many calls that.
    """

    #: Deliveries that one ``dequeue`` can give; None for any number.
    max_batch: int | None = None
    #: Whether ``queue_size`` and ``lock_size`` are exact, so that zeros mean that all has ended.
    has_exact_sizes = False
    #: Whether a delivery comes again when its lease has ended.
    redelivers = True
    #: Whether ``release`` can hand back what was no attempt.
    has_uncounted_release = False
    #: Tells schedulers that a schedule was saved, where that goes by the broker's server.
    notify_schedulers: Callable[[], None] | None = None
    #: How a receipt of its own looks, as a regular expression; None where that can not be told.
    receipt_pattern: str | None = None
    #: Since when the server has been asked for deliveries, where it answers at once; monotonic.
    query_started_at = math.inf
    #: A file descriptor that ends a wait when it becomes readable.
    wake_fd: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        install_dependent_methods(cls)

    def id_of(self, ack_id: Any) -> Any:
        """Give what ``delete`` is called with for a receipt."""
        return ack_id

    def scheduler_wakeup(self) -> SchedulerWakeup | None:
        """Make what wakes a scheduler, where that goes by the broker's server."""
        return None

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What is raised when the server does not answer, beside errors of the database."""
        return (*redis_errors(), OSError)

    def refusal(self, error: BaseException) -> str | None:
        """Say what the server has refused and the cure; None where the error is no refusal.

        A refusal is no outage: it lasts until somebody mends something. Nothing was changed.
        """
        return str(error) if isinstance(error, BrokerCommandRefused) else None

    def prepare(self) -> None:
        """Get ready to be taken from, when a cluster starts.

        Raises ``BrokerCommandRefused`` when the server would refuse what a cluster needs.
        """

    def is_away(self, error: BaseException) -> bool:
        """Whether an error passes: the server is away, or takes nothing for now."""
        return isinstance(error, (OperationalError, InterfaceError, *self.errors))

    def is_writable(self) -> bool:
        """Ask the server whether it takes what is written to it."""
        return bool(self.ping())

    def __init__(self, list_key: str | None = None) -> None:
        #: Name of the queue.
        self.list_key = list_key or self.default_list_key()
        self._info: str | None = None

    @staticmethod
    def default_list_key() -> str:
        """Name the queue of this process's cluster."""
        return Conf.CLUSTER_NAME

    @cached_property
    def connection(self) -> Any:
        """The server, connected when it is first used."""
        return self.get_connection(self.list_key)

    @cached_property
    def cache(self) -> Any:
        """The cache where results go that are kept out of the database."""
        return self.get_cache()

    def __getstate__(self) -> tuple:
        # Only the name travels: a child makes its own connections.
        return self.list_key, self._info

    def __setstate__(self, state: tuple) -> None:
        self.list_key, self._info = state

    def wait_deadline(self, wait: float | None) -> float:
        """Say until when ``dequeue`` waits, on the monotonic clock."""
        if wait is None:
            wait = (
                DEQUEUE_WAIT_SECONDS
                if self.wake_fd is None
                else min(WAKEABLE_WAIT_SECONDS, Conf.RETRY)
            )
        return time.monotonic() + wait

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Put a payload at the end of the queue, deliverable after ``delay`` seconds.

        Returns an id of the broker's own making.
        """
        raise NotImplementedError

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list:
        """Put payloads at the end of the queue, all of them or none. Returns their ids."""
        return [self.enqueue(payload) for payload in payloads]

    def enqueue_once(self, payload: str | bytes, key: str) -> bool:
        """Enqueue unless a payload was under that key before; False when one was.

        A broker that can not remember enqueues, and a caller that asks again may do so twice.
        """
        self.enqueue(payload)
        return True

    def release_once_keys(self, keys: Iterable[str]) -> None:
        """Let go of keys of ``enqueue_once``, within the hour: nobody will ask for them again."""

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take up to ``limit`` deliveries, waiting ``wait`` seconds for the first.

        Returns an empty list when nothing came in time, or ``wake_fd`` became readable.
        """
        raise NotImplementedError

    def acknowledge(self, ack_id: Any) -> bool:
        """End a delivery for good; False when it was stale."""
        raise NotImplementedError

    def acknowledge_many(self, ack_ids: Iterable) -> set:
        """End deliveries for good. Returns those that were stale."""
        return {ack_id for ack_id in ack_ids if self.acknowledge(ack_id) is False}

    def extend(self, ack_ids: Iterable, seconds: float) -> set:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        return set()

    def release(self, ack_ids: Iterable, delay: float = 0, count: bool = True) -> set:
        """Hand deliveries back, to be delivered again after ``delay`` seconds.

        Without ``count`` they were no attempts. Returns those that were stale.
        """
        return set()

    def fail(self, ack_id: Any) -> Any:
        """End a delivery whose task has failed for good."""
        return self.acknowledge(ack_id)

    def read(self, ack_id: Any) -> str | bytes | None:
        """Give the payload of a delivery; None when it is stale."""
        return None

    def move_to_dead_letters(self, ack_id: Any, payload: str | bytes) -> None:
        """End a delivery that can not be read, and keep its payload aside."""
        self.fail(ack_id)

    def dead_size(self) -> int:
        """Count the payloads that were buried."""
        return 0

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return 0

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return 0

    def delete_queue(self) -> Any:
        """Delete the queue with all that is in it."""
        raise NotImplementedError

    def purge_queue(self) -> Any:
        """Delete what nobody has taken yet."""
        return self.delete_queue()

    def delete(self, ack_id: Any) -> Any:
        """Delete one payload, whoever holds it."""
        return self.acknowledge(ack_id)

    def ping(self) -> bool:
        """Say whether the server answers."""
        return True

    def location(self) -> str:
        """Say in words where the queue is; asks nobody."""
        return f"{type(self).__name__} for the queue {self.list_key}"

    def info(self) -> str:
        """Name the server and its version."""
        return type(self).__name__

    def close(self) -> None:
        """Drop the connections; they are made again when needed."""
        vars(self).pop("connection", None)
        if heartbeats := vars(self).pop("heartbeats", None):
            heartbeats.close()

    @cached_property
    def heartbeats(self) -> Heartbeats:
        """Where a broker keeps heartbeats that has no place for them: the database."""
        return Heartbeats()

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds."""
        self.heartbeats.set(key, value, timeout)

    def get_stat(self, key: str) -> str | bytes | None:
        """Give a heartbeat; None when it is past its time."""
        return self.heartbeats.get(key)

    def get_stats(self, pattern: str) -> list[str | bytes]:
        """Give the heartbeats whose keys begin so, as ``django_q:default:cluster:*``.

        Only the last character stands for more than itself: a name may have stars and brackets.
        """
        return self.heartbeats.find(pattern)

    @staticmethod
    def get_cache() -> Any:
        """Give the cache that ``Q_CLUSTER['cache']`` names."""
        return cache_of(Conf.CACHE)

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Connect to the server; 0 where there is none."""
        return 0
