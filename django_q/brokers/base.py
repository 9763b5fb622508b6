"""The contract of brokers, with defaults for those that only have the methods of django-q2."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db import InterfaceError, OperationalError

from django_q.brokers.contract.delivery import Delivery
from django_q.brokers.contract.dependent_methods import (  # noqa: F401 - brokers import them from here
    ONCE_KEY_GRACE_SECONDS,
    ONCE_KEY_SECONDS,
    install_dependent_methods,
)
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.contract.orders import SteeredQueue
from django_q.brokers.contract.result_channel import ResultChannel
from django_q.brokers.heartbeats import Heartbeats
from django_q.brokers.once_keys import KeyedQueue
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.brokers.terms import Enqueued, QueueCounts, QueuedTask, Terms
from django_q.conf import Conf
from django_q.exceptions import BrokerCommandRefused
from django_q.servers.connections import cache_of, redis_errors

#: Seconds that ``dequeue`` waits by default, without and with a ``wake_fd``: a caller that can not
#: be woken gets an answer soon. The next call asks the queue again, notified or not.
DEQUEUE_WAIT_SECONDS, WAKEABLE_WAIT_SECONDS = 1, 45
#: Added to a queue's name: the dead-letter queue, for packages that can not be read.
DEAD_SUFFIX = ":dead"


class Broker(KeyedQueue, SteeredQueue):
    """A queue of payloads, each leased to one taker at a time.

    A delivery is leased for ``Conf.RETRY`` seconds by the clock of the broker. When nobody has
    acknowledged, extended or released it by then, it is delivered again with ``attempt + 1`` and
    a new ``ack_id``. A stale ``ack_id`` changes nothing; methods say which ones were stale.

    When the server does not answer, the errors of its driver are raised, which ``errors`` names;
    callers retry.

    A subclass may define no more than ``enqueue``, ``dequeue`` and ``acknowledge``. Where a
    subclass of one of our brokers overrides only a method of the predecessors, the methods that
    do the same for many call that one: see ``contract.dependent_methods``.
    """

    #: The most deliveries that one ``dequeue`` returns; None for any number.
    max_batch: int | None = None
    #: Whether ``queue_size`` and ``lock_size`` are exact, so that two zeros mean: all has ended.
    has_exact_sizes = False
    #: Whether a payload is delivered again when its lease has ended.
    redelivers = True
    #: Whether ``release`` can release a delivery without counting it as an attempt.
    has_uncounted_release = False
    #: The options among ``TERM_OPTIONS`` that it knows; a call with any other one is refused. Empty
    #: for a subclass that overrides ``enqueue`` or ``dequeue``, unless it says otherwise.
    serves: frozenset[str] = frozenset()
    #: Whether its queues are in one process alone, where the processes of a cluster find none.
    is_process_local = False
    #: Notifies schedulers that a schedule was saved; None where the broker's server has no way.
    notify_schedulers: Callable[[], None] | None = None
    #: Makes what tells that tasks have ended; None where the broker's server has no way.
    result_channel: Callable[[], ResultChannel] | None = None
    #: Regular expression that its own receipts match; None where they have no known form.
    receipt_pattern: str | None = None
    #: Whether it was given a client of its own: then no other process can make it from its queue.
    has_foreign_client = False
    #: When the query for deliveries began that is running now, where the server answers at once;
    #: monotonic, infinite while none runs.
    query_started_at = math.inf
    #: A file descriptor that ends a wait when it becomes readable.
    wake_fd: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        install_dependent_methods(cls)

    def id_of(self, ack_id: Any) -> Any:
        """Return the argument with which ``delete`` deletes the payload of a receipt."""
        return ack_id

    def scheduler_wakeup(self) -> SchedulerWakeup | None:
        """Make the scheduler's wake-up; None where the broker's server has no way to notify."""
        return None

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions raised when the server does not answer, beside those of the database."""
        return (*redis_errors(), OSError)

    def refusal(self, error: BaseException) -> str | None:
        """Explain what the server refused, and how to permit it; None where nothing was refused.

        A refusal is no outage: it lasts until somebody changes a setting. The queue is unchanged.
        """
        return str(error) if isinstance(error, BrokerCommandRefused) else None

    def prepare(self) -> None:
        """Prepare the queue for a cluster that starts.

        Raises ``BrokerCommandRefused`` when the server would refuse what a cluster needs.
        """

    def is_away(self, error: BaseException) -> bool:
        """Return True if an error is temporary: the server is away, or refuses writes for now."""
        return isinstance(error, (OperationalError, InterfaceError, *self.errors))

    def is_writable(self) -> bool:
        """Return True if the server accepts writes; ask it."""
        return bool(self.ping())

    def __init__(self, list_key: str | None = None) -> None:
        #: Name of the queue.
        self.list_key = list_key or self.default_list_key()
        self._info: str | None = None

    @staticmethod
    def default_list_key() -> str:
        """Return the name of the queue of this process's cluster."""
        return Conf.CLUSTER_NAME

    @cached_property
    def connection(self) -> Any:
        """The client or connection of the server, made when it is first used."""
        return self.get_connection(self.list_key)

    def connection_of(self, list_key: str) -> Any:
        """Return the connection for another queue of the same server."""
        return self.connection

    @cached_property
    def cache(self) -> Any:
        """The cache for results that are not saved in the database."""
        return self.get_cache()

    def __getstate__(self) -> tuple[Any, ...]:
        # Connections are not pickled: a child process makes its own.
        return self.list_key, self._info

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.list_key, self._info = state

    def wait_deadline(self, wait: float | None) -> float:
        """Return when a ``dequeue`` that begins now must end, on the monotonic clock."""
        if wait is None:
            wait = (
                DEQUEUE_WAIT_SECONDS
                if self.wake_fd is None
                else min(WAKEABLE_WAIT_SECONDS, Conf.RETRY)
            )
        return time.monotonic() + wait

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Put a payload at the end of the queue, deliverable after ``delay`` seconds.

        Returns an id that the broker chooses.
        """
        raise NotImplementedError

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[Any]:
        """Put payloads at the end of the queue, all of them or none. Returns their ids."""
        return [self.enqueue(payload) for payload in payloads]

    def enqueue_task(self, payload: str | bytes, terms: Terms) -> Enqueued:
        """Enqueue a payload with terms, unless another task has its unique or idempotency key."""
        return self.enqueue_tasks([(payload, terms)])[0]

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        """Enqueue payloads with terms as ``enqueue_task`` does, all that are new or none."""
        raise NotImplementedError(f"{type(self).__name__} serves no options that need terms")

    def replace_task(self, version: Any, payload: str | bytes, terms: Terms) -> bool:
        """Replace payload and terms of a task that waits, whose id both name; its state goes.

        ``version`` is what ``enqueue_task`` gave. Returns False, and changes nothing, if the task
        was taken or changed since.
        """
        return False

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        """Find the task that has the unique or idempotency key of these terms; None if none has."""
        return None

    def find(self, task_id: str) -> QueuedTask | None:
        """Find an unfinished task by its id; None where there is none, or it has no terms."""
        return None

    def list_tasks(
        self, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[QueuedTask]:
        """List a page of the unfinished tasks of one state, or of all.

        ``after`` is the cursor of the last task of the page before. A task that is enqueued, taken
        or ended between two pages may be missing, or come twice.
        """
        return []

    def count_tasks(self) -> QueueCounts:
        """Count the unfinished tasks by state."""
        return QueueCounts(self.queue_size(), 0, self.lock_size())

    def queue_names(self) -> list[str]:
        """List all queues of this server that have tasks, in the form of ``list_key``."""
        return [self.list_key]

    def clear_expired_keys(self, limit: int = 1000) -> int:
        """Delete kept keys that have expired, where the server does not. Returns how many."""
        return 0

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take up to ``limit`` deliveries, waiting ``wait`` seconds for the first.

        Returns an empty list when nothing came in time, or ``wake_fd`` became readable.
        """
        raise NotImplementedError

    def acknowledge(self, ack_id: Any) -> bool:
        """End a delivery for good; False when it was stale."""
        raise NotImplementedError

    def acknowledge_many(self, ack_ids: Iterable[Any]) -> set[Any]:
        """End deliveries for good. Returns those that were stale."""
        return {ack_id for ack_id in ack_ids if self.acknowledge(ack_id) is False}

    def extend(self, ack_ids: Iterable[Any], seconds: float) -> set[Any]:
        """Let leases end ``seconds`` from now. Returns those that were stale."""
        return set()

    def release(
        self,
        ack_ids: Iterable[Any],
        delay: float = 0,
        count: bool = True,
        states: Mapping[Any, KeptState] | None = None,
    ) -> set[Any]:
        """Release deliveries, to be delivered again after ``delay`` seconds.

        Without ``count`` they do not count as attempts. Those of tasks that are cancelled may be
        taken at once, whatever the delay. ``states`` are kept as ``keep_state`` does, in the same
        step; only a broker that ``keeps_state`` is given any. Returns those that were stale.
        """
        return set()

    def fail(self, ack_id: Any) -> Any:
        """End a delivery whose task has failed for good."""
        return self.acknowledge(ack_id)

    def read(self, ack_id: Any) -> str | bytes | None:
        """Return the payload of a delivery; None when it is stale."""
        return None

    def move_to_dead_letters(self, ack_id: Any, payload: str | bytes) -> None:
        """End a delivery that can not be read, and keep its payload in the dead-letter queue."""
        self.fail(ack_id)

    def dead_size(self) -> int:
        """Count the payloads in the dead-letter queue."""
        return 0

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return 0

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return 0

    def delete_queue(self) -> Any:
        """Delete the queue with all that is in it; orders about it stay: notices, pause, limit."""
        raise NotImplementedError

    def purge_queue(self) -> Any:
        """Delete the payloads that are not leased."""
        return self.delete_queue()

    def delete(self, ack_id: Any) -> Any:
        """Delete one payload, even while it is leased."""
        return self.acknowledge(ack_id)

    def ping(self) -> bool:
        """Return True when the server answers."""
        return True

    def location(self) -> str:
        """Describe where the queue is, without asking the server; for logs."""
        return f"{type(self).__name__} for the queue {self.list_key}"

    def info(self) -> str:
        """Return the name of the server and its version."""
        return type(self).__name__

    def close(self) -> None:
        """Drop the connections; they are made again when needed."""
        vars(self).pop("connection", None)
        if heartbeats := vars(self).pop("heartbeats", None):
            heartbeats.close()

    @cached_property
    def heartbeats(self) -> Heartbeats:
        """The heartbeats: in the database, unless a broker has a place of its own for them."""
        return Heartbeats()

    def set_stat(self, key: str, value: str, timeout: float) -> None:
        """Keep a heartbeat for ``timeout`` seconds."""
        self.heartbeats.set(key, value, timeout)

    def get_stat(self, key: str) -> str | bytes | None:
        """Return a heartbeat; None when it has expired."""
        return self.heartbeats.get(key)

    def get_stats(self, pattern: str) -> Sequence[str | bytes]:
        """Return the heartbeats whose keys match, as ``django_q:default:cluster:*``.

        Only a star at the end is a wildcard: a name may contain stars and brackets.
        """
        return self.heartbeats.find(pattern)

    @staticmethod
    def get_cache() -> Any:
        """Return the cache that ``Q_CLUSTER['cache']`` names."""
        return cache_of(Conf.CACHE)

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Connect to the server; 0 where there is none."""
        return 0


def payload_text(payload: str | bytes) -> str:
    """Convert a payload to text; a signed package has only ASCII characters."""
    return payload.decode("utf-8", "backslashreplace") if isinstance(payload, bytes) else payload
