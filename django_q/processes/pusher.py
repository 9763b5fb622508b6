"""The pusher: takes deliveries from the broker, and puts them into the task queue of workers."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker, Delivery
from django_q.conf import Conf, logger
from django_q.exceptions import BrokerUnavailable, contain_error
from django_q.processes.logs.slow_calls import watch_slow_dequeues
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slots
from django_q.processes.supervision.process_start import log_ready, parent_flags
from django_q.queues import Queue

#: Seconds of work that a cluster prefetches.
PREFETCH_SECONDS = 0.05
#: Deliveries that are taken from the broker at a time at most.
MAX_DEQUEUE_BATCH = 500
#: Unsaved results above which no more deliveries are taken.
MAX_UNSAVED_RESULTS = 5000
#: Seconds of work that one worker takes at a time, and the number of tasks at most.
WORKER_BATCH_SECONDS = 0.003
MAX_WORKER_BATCH = 100
#: Finished tasks per worker from which a higher rate counts in full.
MIN_SAMPLES_PER_WORKER = 5
#: Seconds between two checks of the task queue: with fast tasks, and with slow ones.
FAST_POLL_INTERVAL, SLOW_POLL_INTERVAL = 0.005, 5.0
#: Seconds between two checks whether results can be saved again.
STUCK_POLL_INTERVAL = 0.2
#: Seconds within which as many tasks must finish as wait here; otherwise those are released.
MAX_PREFETCH_WAIT_SECONDS = 1.0
#: Share of a lease that is left at least when a delivery arrives here.
SAFE_LEASE_SHARE = 0.9
#: Shares of a lease: leases that are extended survive if a broker is unavailable for no longer than
#: the first, and all are extended within the second once it is back.
LEASE_SURVIVAL_SHARE, LEASE_RECOVERY_SHARE = 0.4, 0.15
#: Seconds to wait after a broker failed: at first, and at most.
DEQUEUE_BACKOFF_SECONDS = (0.1, 2.0)


class PrefetchLimit(Protocol):
    """How many deliveries a cluster may take now."""

    workers: int

    def limit(self, waiting: int) -> int:
        """Return how many more deliveries fit, if ``waiting`` are in the task queue."""

    def is_overfull(self, waiting: int) -> bool:
        """Whether ``waiting`` in the task queue are more than are done in a second."""

    def is_in_use(self, waiting: int) -> bool:
        """Whether tasks wait, or may soon: a busy worker puts back what it can not start."""

    def worker_batch_size(self) -> int:
        """Return how many deliveries one worker is to take at a time."""

    def poll_interval(self) -> float:
        """Return how many seconds to wait before the next check for room."""


class FixedPrefetchLimit:
    """The limit of a pusher that knows nothing about workers: ``bulk`` deliveries at a time."""

    workers = 1

    def limit(self, waiting: int) -> int:
        """Return the ``bulk`` setting."""
        return max(1, Conf.BULK)

    def is_overfull(self, waiting: int) -> bool:
        """Return False: nothing is measured here."""
        return False

    def is_in_use(self, waiting: int) -> bool:
        """Return False: nothing is measured here."""
        return False

    def worker_batch_size(self) -> int:
        """Return 1: each delivery by itself."""
        return 1

    def poll_interval(self) -> float:
        """Return the interval for fast tasks."""
        return FAST_POLL_INTERVAL


@dataclass
class MeasuredPrefetchLimit:
    """The limit by measurement: what idle workers can start, and what is done in 50 ms.

    ``idle`` and ``finished`` read the workers' slots, ``backlog`` counts unsaved results.
    """

    workers: int
    idle: Callable[[], int]
    finished: Callable[[], int]
    backlog: Callable[[], int]
    is_stuck: Callable[[], bool] = lambda: False  # whether results can not be saved
    rate: float = 0.0  # tasks finished per second
    _last_sample: tuple[float, int] = field(default=(0.0, 0))  # time, and tasks finished by then
    _waiting_since: tuple[float, int] | None = None  # time, and tasks finished by then

    def measure(self) -> None:
        """Measure the rate. A rise counts by half if only a few tasks show it."""
        now, finished = time.monotonic(), self.finished()
        then, before = self._last_sample
        if now - then < FAST_POLL_INTERVAL:
            return
        count = max(0, finished - before)
        rate = count / (now - then)
        if rate > self.rate and count < MIN_SAMPLES_PER_WORKER * self.workers:
            rate = (rate + self.rate) / 2
        self.rate = rate
        self._last_sample = (now, finished)

    def limit(self, waiting: int) -> int:
        """Return how many more deliveries fit; 0 rather than a few while enough are waiting."""
        self.measure()
        if self.backlog() > MAX_UNSAVED_RESULTS or self.is_stuck():
            return 0
        prefetch = int(self.rate * PREFETCH_SECONDS)
        room = self.idle() + prefetch - waiting
        if Conf.QUEUE_LIMIT:
            room = min(room, Conf.QUEUE_LIMIT - waiting)
        if waiting and room < prefetch // 4:
            return 0
        return min(room, MAX_DEQUEUE_BATCH)

    def is_overfull(self, waiting: int) -> bool:
        """Whether tasks have waited for a second, and fewer were finished in it than wait now."""
        if not waiting:
            self._waiting_since = None
            return False
        now, finished = time.monotonic(), self.finished()
        then, before = self._waiting_since = self._waiting_since or (now, finished)
        if now - then < MAX_PREFETCH_WAIT_SECONDS:
            return False
        self._waiting_since = (now, finished)
        return finished - before < waiting

    def is_in_use(self, waiting: int) -> bool:
        """Whether tasks wait, or may soon: a busy worker puts back what it can not start."""
        return bool(waiting) or self.idle() < self.workers

    def worker_batch_size(self) -> int:
        """Return how many deliveries one worker finishes in three milliseconds."""
        return max(1, min(MAX_WORKER_BATCH, int(self.rate / self.workers * WORKER_BATCH_SECONDS)))

    def poll_interval(self) -> float:
        """Return in how many seconds there may be room, unless a worker asks for tasks before."""
        if self.is_stuck():
            return STUCK_POLL_INTERVAL
        return (
            FAST_POLL_INTERVAL
            if self.rate * PREFETCH_SECONDS >= 1 or self.backlog() > MAX_UNSAVED_RESULTS
            else SLOW_POLL_INTERVAL
        )


def pusher(
    task_queue: Any,
    event: Any,
    broker: Broker | None = None,
    prefetch_limit: PrefetchLimit | None = None,
) -> None:
    """Move deliveries from the broker to the task queue until ``event`` is set.

    Asks the broker at least once, also if the event is set already.
    """
    broker = adapt_broker(broker or get_broker())
    broker.wake_fd = event.fileno() if hasattr(event, "fileno") else None
    prefetch_limit = prefetch_limit or FixedPrefetchLimit()
    dequeue = watch_slow_dequeues(broker).dequeue if parent_flags() else broker.dequeue
    log_ready("pushing tasks")
    failures = StepFailureLog(
        broker,
        "can not take tasks from the broker",
        "the broker answers again, and tasks are taken",
        logging.ERROR,
    )
    pause, failed_at, is_prepared = DEQUEUE_BACKOFF_SECONDS[0], 0.0, False
    while True:
        try:
            if failed_at:
                await_leases(broker, event, failed_at)
            if not is_prepared:
                broker.prepare()
                is_prepared = True
            push(task_queue, event, broker, prefetch_limit, dequeue)
            failures.success()
            pause, failed_at = DEQUEUE_BACKOFF_SECONDS[0], 0.0
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            failures.log(error, pause)
            failed_at = failed_at or time.monotonic()
            broker.close()
            event.wait(pause)
            pause = min(pause * 2, DEQUEUE_BACKOFF_SECONDS[1])
        if event.is_set():
            break
    broker.close()


def await_leases(broker: Broker, event: Any, failed_at: float) -> None:
    """Wait until a broker that failed accepts writes, and leases have been extended on it.

    After a long outage the leases of running tasks have ended: without this wait, those tasks would
    be taken a second time. Raises what the broker raises.
    """
    if not broker.is_writable():
        raise BrokerUnavailable("it accepts no writes")
    if time.monotonic() - failed_at > LEASE_SURVIVAL_SHARE * Conf.RETRY:
        event.wait(LEASE_RECOVERY_SHARE * Conf.RETRY)


def push(
    task_queue: Any,
    event: Any,
    broker: Broker,
    prefetch_limit: PrefetchLimit,
    dequeue: Callable[[int, float | None], list[Delivery]],
) -> None:
    """Take deliveries, or wait for room; release waiting ones that would not start for long."""
    waiting = task_queue.qsize()
    if broker.has_uncounted_release and prefetch_limit.is_overfull(waiting):
        release_waiting(task_queue, broker)
        waiting = task_queue.qsize()
    limit = prefetch_limit.limit(waiting)
    limit = min(limit, broker.max_batch or limit)
    max_wait = (
        MAX_PREFETCH_WAIT_SECONDS
        if broker.has_uncounted_release and prefetch_limit.is_in_use(waiting)
        else None
    )
    if limit < 1:
        wait_for_capacity(
            task_queue, event, min(prefetch_limit.poll_interval(), max_wait or SLOW_POLL_INTERVAL)
        )
    elif deliveries := dequeue(limit, 0 if event.is_set() else max_wait):
        # Brokers that do not redeliver have no leases: what waits long here must not be dropped.
        lease = SAFE_LEASE_SHARE * Conf.RETRY if broker.redelivers else math.inf
        fill_task_queue(task_queue, deliveries, prefetch_limit, time.monotonic() + lease)
        # The kernel wakes a worker on the processor of this process, as if this one were about to
        # sleep.
        os.sched_yield()


def release_waiting(task_queue: Any, broker: Broker) -> None:
    """Release waiting deliveries to the broker, in order: another cluster may have idle workers.

    This cluster took too many, because these tasks take longer than those before them.
    """
    jobs = task_queue.get_all()
    if not jobs:
        return
    try:
        broker.release([ack_id for ack_id, *_ in jobs], count=False)
    except BaseException:
        task_queue.put_many(jobs)
        raise
    logger.debug("released %s tasks that would have waited here", len(jobs))


def wait_for_capacity(task_queue: Any, event: Any, seconds: float) -> None:
    """Wait until a worker finds the task queue empty, the event is set, or the time is over."""
    if isinstance(task_queue, Queue) and hasattr(event, "fileno"):
        task_queue.wait_for_request(seconds, event)
    else:
        event.wait(min(seconds, 0.1))


def fill_task_queue(
    task_queue: Any, deliveries: list[Delivery], prefetch_limit: PrefetchLimit, leased_until: float
) -> None:
    """Put deliveries into the task queue, in batches that one worker takes together.

    ``leased_until`` is the monotonic time until which they are leased at least.
    """
    now = time.monotonic()
    jobs = [
        (
            *(each.ack_id, each.payload, each.attempt, leased_until),
            None if each.expires_in is None else now + each.expires_in,
        )
        for each in deliveries
    ]
    if not isinstance(task_queue, Queue):
        for job in jobs:
            task_queue.put(job)
        return
    # At most an equal share for each worker, so that none is idle while another has them all.
    size = max(1, min(prefetch_limit.worker_batch_size(), -(-len(jobs) // prefetch_limit.workers)))
    for first in range(0, len(jobs), size):
        task_queue.put_many(jobs[first : first + size])


def pusher_of_cluster(
    task_queue: Any,
    event: Any,
    slots: Slots,
    result_queue: Any,
    order_table: OrderTable,
    cluster_id: str,
    broker: Broker,
) -> None:
    """Run the pusher of a cluster, limited by the measured speed of its workers.

    ``cluster_id`` is that of its heartbeats.
    """
    prefetch_limit = MeasuredPrefetchLimit(
        workers=len(slots),
        idle=lambda: slots.idle,
        finished=lambda: slots.finished,
        backlog=result_queue.qsize,
        is_stuck=lambda: getattr(result_queue, "is_stuck", False),
    )
    pusher(task_queue, event, broker, prefetch_limit)
