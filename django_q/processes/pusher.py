"""The pusher: takes deliveries from the broker and puts them where workers find them."""

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
from django_q.processes.shared_state.slot import Slots
from django_q.processes.supervision.process_start import log_ready, parent_flags
from django_q.queues import Queue

#: Seconds of work that a cluster keeps inside.
PREFETCH_SECONDS = 0.05
#: Deliveries that are taken at a time at most.
MAX_DEQUEUE_BATCH = 500
#: Results that wait to be saved before nothing more is taken.
MAX_UNSAVED_RESULTS = 5000
#: Seconds of work that one worker takes at a time, and tasks at most.
WORKER_BATCH_SECONDS = 0.003
MAX_WORKER_BATCH = 100
#: Tasks of each worker that show how fast they are.
MIN_SAMPLES_PER_WORKER = 5
#: Seconds between two looks at a queue that fast tasks drain, and at one that slow tasks do.
FAST_POLL_INTERVAL, SLOW_POLL_INTERVAL = 0.005, 5.0
#: Seconds between two looks whether results can be saved again.
STUCK_POLL_INTERVAL = 0.2
#: Seconds in which as much must be done as waits here; otherwise what waits goes back.
MAX_PREFETCH_WAIT_SECONDS = 1.0
#: Share of the lease that is left for sure when a delivery has arrived here.
SAFE_LEASE_SHARE = 0.9
#: Shares of a lease: no lease that is extended ends while a broker is away for so long, and all
#: are extended in so long when it is back.
LEASE_SURVIVAL_SHARE, LEASE_RECOVERY_SHARE = 0.4, 0.15
#: Seconds to wait after a broker failed: at first, and at most.
DEQUEUE_BACKOFF_SECONDS = (0.1, 2.0)


class PrefetchLimit(Protocol):
    """How much a cluster can take now."""

    workers: int

    def limit(self, waiting: int) -> int:
        """Say how many more deliveries fit, with so many in the task queue."""

    def is_overfull(self, waiting: int) -> bool:
        """Whether so many in the task queue are more than is done in a second."""

    def is_in_use(self, waiting: int) -> bool:
        """Whether tasks wait, or may soon: a worker puts back what it can not start."""

    def worker_batch_size(self) -> int:
        """Say how many deliveries one worker shall take at a time."""

    def poll_interval(self) -> float:
        """Say how many seconds to wait for room."""


class FixedPrefetchLimit:
    """Room for a pusher that knows nothing about workers: what the settings say."""

    workers = 1

    def limit(self, waiting: int) -> int:
        """As many as are asked of a broker at a time."""
        return max(1, Conf.BULK)

    def is_overfull(self, waiting: int) -> bool:
        """Nobody knows."""
        return False

    def is_in_use(self, waiting: int) -> bool:
        """Nobody knows."""
        return False

    def worker_batch_size(self) -> int:
        """Each on its own."""
        return 1

    def poll_interval(self) -> float:
        """There is always room."""
        return FAST_POLL_INTERVAL


@dataclass
class MeasuredPrefetchLimit:
    """Room by measure: what idle workers can start, and what is done in 50 ms.

    ``idle`` and ``finished`` read the workers' slots, ``backlog`` what waits to be saved.
    """

    workers: int
    idle: Callable[[], int]
    finished: Callable[[], int]
    backlog: Callable[[], int]
    is_stuck: Callable[[], bool] = lambda: False  # whether there is nowhere to save results
    rate: float = 0.0  # tasks finished a second
    _last_sample: tuple[float, int] = field(default=(0.0, 0))
    _waiting_since: tuple[float, int] | None = (
        None  # since when tasks wait, and what was finished by then
    )

    def measure(self) -> None:
        """Measure the rate: a rise counts by half while only a few tasks show it."""
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
        """Say how many more deliveries fit; none rather than a few while the queue is filled."""
        self.measure()
        if self.backlog() > MAX_UNSAVED_RESULTS or self.is_stuck():
            return 0
        ahead = int(self.rate * PREFETCH_SECONDS)
        room = self.idle() + ahead - waiting
        if Conf.QUEUE_LIMIT:
            room = min(room, Conf.QUEUE_LIMIT - waiting)
        if waiting and room < ahead // 4:
            return 0
        return min(room, MAX_DEQUEUE_BATCH)

    def is_overfull(self, waiting: int) -> bool:
        """Whether fewer were finished in the last second than wait, which they did all the time."""
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
        """Whether tasks wait, or may soon: a worker puts back what it can not start."""
        return bool(waiting) or self.idle() < self.workers

    def worker_batch_size(self) -> int:
        """Say how many deliveries are done in three milliseconds."""
        return max(1, min(MAX_WORKER_BATCH, int(self.rate / self.workers * WORKER_BATCH_SECONDS)))

    def poll_interval(self) -> float:
        """Say how many seconds it takes until there may be room, unless a worker asks before."""
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

    Looks at least once, so that it can be called with an event that is set already.
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
    pause, lost_at, is_prepared = DEQUEUE_BACKOFF_SECONDS[0], 0.0, False
    while True:
        try:
            if lost_at:
                await_leases(broker, event, lost_at)
            if not is_prepared:
                broker.prepare()
                is_prepared = True
            push(task_queue, event, broker, prefetch_limit, dequeue)
            failures.success()
            pause, lost_at = DEQUEUE_BACKOFF_SECONDS[0], 0.0
        except BaseException as error:  # of a broker that others wrote, too
            contain_error(error)
            failures.log(error, pause)
            lost_at = lost_at or time.monotonic()
            broker.close()
            event.wait(pause)
            pause = min(pause * 2, DEQUEUE_BACKOFF_SECONDS[1])
        if event.is_set():
            break
    broker.close()


def await_leases(broker: Broker, event: Any, lost_at: float) -> None:
    """Wait until a broker that was away takes changes again, and leases can have been extended.

    Where it was away for long they have ended, although the tasks go on. Raises what it raises.
    """
    if not broker.is_writable():
        raise BrokerUnavailable("it takes no changes")
    if time.monotonic() - lost_at > LEASE_SURVIVAL_SHARE * Conf.RETRY:
        event.wait(LEASE_RECOVERY_SHARE * Conf.RETRY)


def push(
    task_queue: Any,
    event: Any,
    broker: Broker,
    prefetch_limit: PrefetchLimit,
    dequeue: Callable[[int, float | None], list[Delivery]],
) -> None:
    """Take what there is room for, or wait until there is; hand back what would wait for long."""
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
        # A long wait here is no reason to drop what would not come again.
        lease = SAFE_LEASE_SHARE * Conf.RETRY if broker.redelivers else math.inf
        fill_task_queue(task_queue, deliveries, prefetch_limit, time.monotonic() + lease)
        # The kernel wakes a worker where this process runs, as if this one were about to sleep.
        os.sched_yield()


def release_waiting(task_queue: Any, broker: Broker) -> None:
    """Return what waits to the broker, in its order: another cluster may have an idle worker.

    Tasks that take longer than those before them have made it more than this cluster should hold.
    """
    jobs = task_queue.get_all()
    if not jobs:
        return
    try:
        broker.release([ack_id for ack_id, *_ in jobs], count=False)
    except BaseException:
        task_queue.put_many(jobs)
        raise
    logger.debug("handed %s tasks back that would have waited here", len(jobs))


def wait_for_capacity(task_queue: Any, event: Any, seconds: float) -> None:
    """Wait until a worker finds the queue empty, the event is set, or the time is over."""
    if isinstance(task_queue, Queue) and hasattr(event, "fileno"):
        task_queue.wait_for_request(seconds, event)
    else:
        event.wait(min(seconds, 0.1))


def fill_task_queue(
    task_queue: Any, deliveries: list[Delivery], prefetch_limit: PrefetchLimit, leased_until: float
) -> None:
    """Put deliveries into the task queue, in groups that one worker takes together.

    Each goes with the monotonic time until which it is surely leased.
    """
    jobs = [(*delivery, leased_until) for delivery in deliveries]
    if not isinstance(task_queue, Queue):
        for job in jobs:
            task_queue.put(job)
        return
    # No more than a worker's share, so that none is idle while another has them all.
    size = max(1, min(prefetch_limit.worker_batch_size(), -(-len(jobs) // prefetch_limit.workers)))
    for first in range(0, len(jobs), size):
        task_queue.put_many(jobs[first : first + size])


def pusher_of_cluster(
    task_queue: Any, event: Any, slots: Slots, result_queue: Any, broker: Broker
) -> None:
    """Run the pusher of a cluster, which measures what its workers get done."""
    prefetch_limit = MeasuredPrefetchLimit(
        workers=len(slots),
        idle=lambda: slots.idle,
        finished=lambda: slots.finished,
        backlog=result_queue.qsize,
        is_stuck=lambda: getattr(result_queue, "is_stuck", False),
    )
    pusher(task_queue, event, broker, prefetch_limit)
