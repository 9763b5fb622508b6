"""The pusher: takes deliveries from the broker, and puts them into the task queue of workers."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from typing import Any

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker, Delivery
from django_q.conf import Conf, logger
from django_q.exceptions import BrokerUnavailable, contain_error
from django_q.processes.logs.slow_calls import watch_slow_dequeues
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.pushing.notice_reader import NoticeReader
from django_q.processes.pushing.prefetch_limit import (
    MAX_PREFETCH_WAIT_SECONDS,
    SLOW_POLL_INTERVAL,
    FixedPrefetchLimit,
    MeasuredPrefetchLimit,
    PrefetchLimit,
)
from django_q.processes.shared_state.bell import Bell
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slots
from django_q.processes.supervision.process_start import log_ready, parent_flags
from django_q.queues import Queue

#: Share of a lease that is left at least when a delivery arrives here.
SAFE_LEASE_SHARE = 0.9
#: Shares of a lease: leases that are extended survive if a broker is unavailable for no longer than
#: the first, and all are extended within the second once it is back.
LEASE_SURVIVAL_SHARE, LEASE_RECOVERY_SHARE = 0.4, 0.15
#: Seconds to wait after a broker failed: at first, and at most.
DEQUEUE_BACKOFF_SECONDS = (0.1, 2.0)


def pusher(
    task_queue: Any,
    event: Any,
    broker: Broker | None = None,
    prefetch_limit: PrefetchLimit | None = None,
    order_table: OrderTable | None = None,
    on_orders: Callable[[], object] = lambda: None,
) -> None:
    """Move deliveries from the broker to the task queue until ``event`` is set.

    Asks the broker at least once, also if the event is set already. Orders for the queue are
    written into ``order_table``, if there is one; ``on_orders`` is called when it has others.
    """
    broker = adapt_broker(broker or get_broker())
    broker.wake_fd = event.fileno() if hasattr(event, "fileno") else None
    prefetch_limit = prefetch_limit or FixedPrefetchLimit()
    notices = NoticeReader(broker, order_table, on_orders)
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
            notices.start()
            push(task_queue, event, broker, prefetch_limit, dequeue, notices)
            failures.success()
            pause, failed_at = DEQUEUE_BACKOFF_SECONDS[0], 0.0
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            failures.log(error, pause)
            failed_at = failed_at or time.monotonic()
            broker.close()
            notices.forget()
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
    notices: NoticeReader,
) -> None:
    """Take deliveries, or wait for room; release waiting ones that would not start for long."""
    waiting = task_queue.qsize()
    if broker.has_uncounted_release and prefetch_limit.is_overfull(waiting):
        release_waiting(task_queue, broker)
        waiting = task_queue.qsize()
    limit = prefetch_limit.limit(waiting)
    limit = min(limit, broker.max_batch or limit)
    # A take shows whether there are notices: one for a task that runs must not wait for long.
    max_wait = (
        min(MAX_PREFETCH_WAIT_SECONDS, notices.poll_interval)
        if broker.has_uncounted_release and prefetch_limit.is_in_use(waiting)
        else None
    )
    if limit < 1:
        notices.check()
        seconds = min(prefetch_limit.poll_interval(), max_wait or SLOW_POLL_INTERVAL)
        wait_for_capacity(task_queue, event, min(seconds, notices.poll_interval))
        return
    deliveries = dequeue(limit, 0 if event.is_set() else max_wait)
    try:
        notices.heed(broker.seen_notices_version)  # first: workers heed them as soon as they begin
    finally:
        if deliveries:
            # Brokers that do not redeliver have no leases: what waits long here must not be
            # dropped.
            lease = SAFE_LEASE_SHARE * Conf.RETRY if broker.redelivers else math.inf
            fill_task_queue(task_queue, deliveries, prefetch_limit, time.monotonic() + lease)
            # The kernel wakes a worker on the processor of this process, as if this one were about
            # to sleep.
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
    jobs = [job_of(each, now, leased_until) for each in deliveries]
    if not isinstance(task_queue, Queue):
        for job in jobs:
            task_queue.put(job)
        return
    # At most an equal share for each worker, so that none is idle while another has them all.
    size = max(1, min(prefetch_limit.worker_batch_size(), -(-len(jobs) // prefetch_limit.workers)))
    for first in range(0, len(jobs), size):
        task_queue.put_many(jobs[first : first + size])


def job_of(delivery: Delivery, now: float, leased_until: float) -> tuple:
    """Make what workers read: receipt, payload, attempt, and until when it is leased and begun.

    Behind them what was kept beside the payload, where anything was.
    """
    ack_id, payload, attempt, expires_in, state = delivery
    expires_at = None if expires_in is None else now + expires_in
    job = (ack_id, payload, attempt, leased_until, expires_at)
    return job if state is None else (*job, state)


def pusher_of_cluster(
    task_queue: Any,
    event: Any,
    slots: Slots,
    result_queue: Any,
    order_table: OrderTable,
    cluster_id: str,
    bell: Bell,
    broker: Broker,
) -> None:
    """Run the pusher of a cluster, limited by the measured speed of its workers.

    ``cluster_id`` is that of its heartbeats. The sentinel is woken by ``bell`` for new orders.
    """
    prefetch_limit = MeasuredPrefetchLimit(
        workers=len(slots),
        idle=lambda: slots.idle,
        finished=lambda: slots.finished,
        backlog=result_queue.qsize,
        is_stuck=lambda: getattr(result_queue, "is_stuck", False),
    )
    broker = adapt_broker(broker)
    broker.cluster_id = cluster_id
    pusher(task_queue, event, broker, prefetch_limit, order_table, bell.set)
