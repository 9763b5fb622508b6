"""Run one delivery as a worker and a monitor do, in the process of the test."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

from django_q.brokers.base import Delivery
from django_q.caller_context.travel import execute_in_caller_context
from django_q.calls.inline import collected_interrupts, savepoints
from django_q.calls.producer import forget_ids, submit_once
from django_q.completion.completion import complete
from django_q.completion.finished_task import FinishedTask, max_attempts
from django_q.exceptions import Expired, StoreUnavailable, TaskCancelled
from django_q.execution.cancellation import end_as_cancelled, find_order
from django_q.execution.current_task.task_run import ForkCount, TaskRun, running_task
from django_q.execution.execution import UndecodablePayload, execute
from django_q.execution.expiry import end_as_expired, expiry_text
from django_q.execution.plain_options import make_options_plain
from django_q.execution.run_details import note_run
from django_q.foreign_code.coroutines import uses_own_connections
from django_q.foreign_code.task_context import in_own_context
from django_q.orders.notices import withdraw_quietly
from django_q.processes.pusher import job_of
from django_q.processes.task_runs.job import read_job
from django_q.processes.worker import note_interruption
from django_q.task_state.cancellation import read_notice, task_key
from django_q.testing.draining.time_limits import alarm_for
from django_q.testing.recording.broker import RecordingBroker
from django_q.testing.recording.enqueued_task import EnqueuedTask
from django_q.testing.recording.recording import Recording
from django_q.wire.package import TaskPackage


class InlineHost:
    """What runs a task in a test, as far as the task has to do with it."""

    slot = None
    is_stopping = False

    def __init__(self, broker: RecordingBroker) -> None:
        self.forks = ForkCount.value
        self.broker = broker

    def order_for(self, package: TaskPackage) -> str | None:
        """Return who has cancelled a task; None where nobody has."""
        notices = self.broker.notices().values
        orders = {
            key: (posted, read_notice(self.broker.list_key, key, text))
            for key, (posted, text) in notices.items()
        }
        return find_order(package, orders) or package.get("cancelled")

    def cancellation(self, run: TaskRun) -> str | None:
        """Return who has cancelled a task that runs; None where nobody has."""
        return self.order_for(run.package)

    def label_task(self) -> None:
        """Do nothing: nobody else looks at a task of a test."""


def run_delivery(
    delivery: Delivery, broker: RecordingBroker, recording: Recording, retries_at_once: bool
) -> EnqueuedTask | None:
    """Execute and complete what a broker has delivered; returns the task if it has ended.

    With ``retries_at_once`` a task that is tried again is delivered without a pause, unless the
    number of its attempts has no limit. A Ctrl-C is raised when the task is completed.
    """
    now = time.monotonic()
    package = read_job(job_of(delivery, now, math.inf), now)
    if package is None or isinstance(package, UndecodablePayload):
        broker.move_to_dead_letters(delivery.ack_id, delivery.payload)
        return None
    task = recording.by_id[package["id"]]
    with collected_interrupts() as interrupted:
        error = run_package(package, InlineHost(broker), task)
        is_limited = "retry_in" in package or max_attempts(package) > 0
        broker.keeps_delays = not (retries_at_once and is_limited)
        is_retried = FinishedTask(package).is_retried
        complete_package(package, broker)
    if not is_retried:
        task.success, task.error = package["success"], error
        task.result = package["result"]
    if isinstance(error, KeyboardInterrupt):
        raise error
    if interrupted:
        raise interrupted[0]
    return None if is_retried else task


def run_package(package: TaskPackage, host: InlineHost, task: EnqueuedTask) -> BaseException | None:
    """Execute a task unless it is cancelled or has expired; returns the exception that ended it."""
    if cancelled := host.order_for(package):
        end_as_cancelled(package, cancelled)
        return TaskCancelled(cancelled)
    if "expired" in package:
        end_as_expired(package)
        return Expired(expiry_text(package))
    began = time.monotonic()
    run = TaskRun(package, host, began)
    task.attempts += 1
    with savepoints(), alarm_for(package, lambda: None) as alarm:
        error = in_own_context(execute_as, run, alarm)
    note_interruption(run, error)
    note_run(package, time.monotonic() - began)
    make_options_plain(package)
    return error


def execute_as(run: TaskRun, alarm: Any) -> BaseException | None:
    """Execute a task as the one that runs; to be called in a context of its own."""
    running_task.set(run)
    uses_own_connections.set(True)
    return execute_in_caller_context(execute, run.package, alarm)


def complete_package(package: TaskPackage, broker: RecordingBroker) -> None:
    """Complete a task as a monitor does. Raises what the database raises."""
    try:
        links = complete([package], broker, partial(submit_once, broker=broker))
    except StoreUnavailable as unavailable:
        raise (unavailable.__cause__ or unavailable) from None
    forget_ids(links, broker)
    if broker.notices_version():
        withdraw_quietly(broker, [task_key(package["id"])])
