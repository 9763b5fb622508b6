"""The worker: executes the tasks in the task queue, and puts results into the result queue."""

from __future__ import annotations

import errno
import os
import queue
import sys
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import current_process
from typing import Any

from django_q.completion.finished_task import DoneReceipts, needs_only_acknowledging
from django_q.completion.resumption import has_succeeded_before
from django_q.conf import Conf, logger
from django_q.exceptions import TimeoutException
from django_q.execution.execution import UndecodablePayload, decode, execute, time_limit
from django_q.execution.expiry import end_as_expired
from django_q.execution.pickled_results import with_pickled_values
from django_q.execution.plain_options import make_options_plain
from django_q.execution.run_details import note_run
from django_q.execution.time_limit import Alarm
from django_q.foreign_code.guards import send_signal_safely
from django_q.foreign_code.optional_packages import psutil, resource
from django_q.foreign_code.task_context import in_own_context
from django_q.processes.server_calls.worker_leases import MIN_START_LEASE_SHARE
from django_q.processes.shared_state.slot import Slot, WorkerState
from django_q.processes.shared_state.task_label import task_label
from django_q.processes.shared_state.timer_slot import TimerSlotAdapter
from django_q.processes.supervision.exit_timeout import EXIT_TIMEOUT
from django_q.processes.supervision.process_start import log_ready, parent_flags, set_process_title
from django_q.queues import STOP, ExclusiveWait, Queue
from django_q.servers import connections
from django_q.signals import SENDER, post_spawn
from django_q.text.function_names import dotted_name
from django_q.text.printable import printable
from django_q.wire.package import TaskPackage

#: Seconds that a batch may take before its waiting tasks are put back for other workers.
SLOW_BATCH_SECONDS = 0.006
#: Seconds in which a task can not use up the descriptors of its process, a thousand or more.
SHORT_TASK_SECONDS = 0.0001
#: Units of ``ru_maxrss`` in a kilobyte.
RSS_UNITS_PER_KILOBYTE = 1024 if sys.platform == "darwin" else 1
#: With a ``recycle`` below this number a worker is recycled after exactly so many tasks. Above, it
#: also runs for these seconds at least: to start one costs as much as hundreds of short tasks.
EXACT_RECYCLE_TASKS, MIN_WORKER_SECONDS = 100, 1.0


def worker(task_queue: Any, result_queue: Any, timer: Any, timeout: float | None = None) -> None:
    """Execute tasks until ``STOP``, or until this worker is recycled.

    ``timer`` is a Slot, or a ``multiprocessing.Value`` as Django Q's workers take it.
    ``timeout`` is the time limit of a task in seconds, where the settings have none.
    """
    slot = timer if isinstance(timer, Slot) else TimerSlotAdapter(timer)
    WorkerLoop(task_queue, result_queue, slot, timeout).run()


@dataclass
class WorkerLoop:
    """The state of a worker: its batch, and the results that are not sent yet."""

    task_queue: Any
    result_queue: Any
    slot: Slot | TimerSlotAdapter
    timeout: float | None = None

    def __post_init__(self) -> None:
        self.pid, self.started_at = os.getpid(), time.monotonic()
        self.name = current_process().name
        self.alarm = Alarm(self.return_waiting, SLOW_BATCH_SECONDS)
        # A limit that tasks have unless they say otherwise, where it is not that of the settings.
        self.own_limit = self.timeout if self.timeout != Conf.TIMEOUT else None
        self.limit = self.timeout if self.timeout and self.timeout > 0 else time_limit({})
        self.pending: deque[Any] = deque()  # of the batch, not started yet
        self.results: list[Any] = []  # of the batch, not sent yet
        self.receipts: list[Any] = []  # of tasks that need only acknowledging, not sent yet
        self.position = 0  # of the running task in the batch
        self.package: TaskPackage | None = None  # of the running task
        self.has_task_title = False  # whether the process title names a task
        self.tasks_done = 0  # tasks since this worker started
        self.end_state = WorkerState.IDLE  # IDLE until it is to end, then how it ends
        self.is_own_queue = isinstance(self.result_queue, Queue)  # else as the predecessors have it
        # Closed where sending results needs a descriptor, and none is left.
        self.spare_descriptor = os.open(os.devnull, os.O_RDONLY)

    @cached_property
    def wait(self) -> ExclusiveWait:
        """Waits for a batch, or for the end of the cluster."""
        return ExclusiveWait(self.task_queue, parent_flags())

    def run(self) -> None:
        """Execute batches until the worker is stopped, recycled or has timed out."""
        self.alarm.install()
        log_ready("ready for work")
        send_signal_safely(post_spawn, "post_spawn", sender=SENDER, proc_name=self.name)
        self.slot.state = WorkerState.IDLE
        while self.end_state is WorkerState.IDLE:
            batch = self.take_batch()
            stop = not batch or batch[-1] == STOP
            self.execute_batch([job for job in batch if job != STOP])
            if stop:
                break
        self.slot.end_worker(self.end_state, time.monotonic() + EXIT_TIMEOUT)
        connections.close_all()
        if self.spare_descriptor is not None:
            os.close(self.spare_descriptor)

    def take_batch(self) -> list[Any]:
        """Take the next batch, waiting for it; an empty list when the cluster has ended."""
        if not isinstance(self.task_queue, Queue):
            return [self.task_queue.get()]
        while True:
            try:
                return self.task_queue.get_many(block=False)
            except queue.Empty:
                self.task_queue.request_items()
            if self.task_queue not in self.wait():
                return []

    def execute_batch(self, batch: list[Any]) -> None:
        """Execute a batch, task by task, and send the results together."""
        if not batch:
            return
        self.slot.take_batch([(job[0], job[2]) for job in batch if not isinstance(job, dict)])
        self.pending.extend(batch)
        self.alarm.start_batch()
        self.position = 0
        while self.pending and self.end_state is WorkerState.IDLE:
            self.execute_job(self.pending.popleft())
            self.position += 1
        self.alarm.end_batch()
        self.send_results()
        for job in self.pending:  # this worker ends first: others take them
            self.task_queue.put(job)
        self.pending.clear()
        self.slot.finish_batch(self.position, self.end_state)
        if self.has_task_title:
            self.has_task_title = False
            set_process_title("idle")

    def execute_job(self, job: Any) -> None:
        """Execute one job, unless too little of its lease is left."""
        now = time.monotonic()
        self.slot.start_decoding(self.position, now, self.limit)  # decoding may crash it
        package = read_job(job, now)
        if package is None or isinstance(package, UndecodablePayload):
            if package:
                self.results.append(package)
            return
        if self.own_limit and self.own_limit > 0:
            package.setdefault("timeout", self.own_limit)
        self.slot.start_task(self.position, now, time_limit(package))
        self.package = package
        connections.close_old()
        error, began = None, None
        if package.get("attempt", 1) > 1 and has_succeeded_before(package):
            pass  # also if it has expired since
        elif "expired" in package:
            end_as_expired(package)
        else:
            began = now
            error = in_own_context(execute, package, self.alarm, self.note_success)
        if os.getpid() != self.pid:
            os._exit(0)  # the task forked, and this is its child: only the parent goes on
        self.package = None
        self.tasks_done += 1
        self.keep_result(package, began)
        if isinstance(error, TimeoutException):
            # The task was interrupted anywhere: what it holds, as locks, ends with this process.
            self.end_state = WorkerState.TIMED_OUT
        elif self.is_due_for_recycling() or self.has_exhausted_descriptors(error, now):
            self.end_state = WorkerState.RECYCLED

    def keep_result(self, package: TaskPackage, began: float | None) -> None:
        """Keep the result of a finished task to be sent, or only its receipt if that is enough.

        ``began`` is the monotonic time when its run began; None where it has not run.
        """
        if not self.is_own_queue:
            self.results.append(package)
            return
        # Here, and not when it is sent: that may be in the middle of another task.
        make_options_plain(package)
        if needs_only_acknowledging(package):
            self.receipts.append(package["ack_id"])
            return
        if began is not None:
            note_run(package, time.monotonic() - began)
        self.results.append(with_pickled_values(package))

    def note_success(self) -> None:
        """Record in the slot that the task has succeeded, before its result is prepared."""
        self.slot.note_task_success(self.position)

    def return_waiting(self) -> None:
        """Put back what waits behind a slow task, and send the results so far.

        Runs in the handler of a Unix signal, in the middle of a task.
        """
        waiting = list(self.pending)
        if waiting and isinstance(self.task_queue, Queue):
            try:
                self.task_queue.put_many(waiting, block=False)
            except queue.Full:
                return
            self.pending.clear()
            self.slot.truncate_batch(self.position + 1)
        self.send_results(block=False)
        if self.package is not None:
            name = printable(self.package["name"])
            func = printable(dotted_name(self.package["func"]))
            self.slot.set_label(task_label(self.package, name, func))
            set_process_title(f"processing {name} '{func}'")
            self.has_task_title = True

    def send_results(self, block: bool = True) -> None:
        """Put the results into the result queue, bare receipts together as one ``DoneReceipts``."""
        results, receipts = self.results, self.receipts
        if not results and not receipts:
            return
        self.results, self.receipts = [], []
        if not self.is_own_queue:
            for result in results:
                self.result_queue.put(result)
            return
        try:
            self.put([DoneReceipts(receipts), *results] if receipts else results, block)
        except BaseException as error:
            self.results, self.receipts = results, receipts
            if not isinstance(error, queue.Full):
                raise

    def put(self, results: list[Any], block: bool) -> None:
        """Send results. A large one needs a descriptor, of which tasks may have left none."""
        try:
            self.result_queue.put_many(results, block)
        except OSError as error:
            # Not in the middle of a task: its own result needs the spare descriptor too.
            if error.errno != errno.EMFILE or self.spare_descriptor is None or not block:
                raise
            os.close(self.spare_descriptor)
            self.spare_descriptor = None
            self.result_queue.put_many(results, block)

    def is_due_for_recycling(self) -> bool:
        """Whether a new worker is to replace this one, for its number of tasks or its memory."""
        if self.tasks_done >= Conf.RECYCLE:
            exact = Conf.RECYCLE < EXACT_RECYCLE_TASKS or not isinstance(self.slot, Slot)
            return exact or time.monotonic() - self.started_at > MIN_WORKER_SECONDS
        return bool(Conf.MAX_RSS) and rss_check()

    def has_exhausted_descriptors(self, error: BaseException | None, began: float) -> bool:
        """Whether a task has used up the descriptors; not checked after a short task.

        The check takes a twentieth of the time of a short task, which can not open so many files.
        """
        return bool(error or time.monotonic() - began > SHORT_TASK_SECONDS) and not can_open_files()


def read_job(job: Any, now: float) -> TaskPackage | UndecodablePayload | None:
    """Decode a job, ``(ack_id, payload, attempt, leased_until, expires_at)``.

    The last is the monotonic time from which its task is not begun any more; None, or missing, for
    never. A package is returned as it is.
    Returns None if too little of its lease is left: it could end before it is extended.
    """
    if isinstance(job, dict):
        return job  # type: ignore[return-value]
    ack_id, payload, attempt, leased_until, expires_at = job if len(job) > 4 else (*job, None)
    if now > leased_until - MIN_START_LEASE_SHARE * Conf.RETRY:
        logger.warning(
            "a delivery has waited for too long and comes again: half of its lease of %s s is over",
            Conf.RETRY,
        )
        return None
    package = decode(ack_id, payload)
    if type(package) is not UndecodablePayload:
        package["ack_id"] = ack_id
        package["attempt"] = attempt
        package["leased_until"] = leased_until
        package.setdefault("cluster", Conf.CLUSTER_NAME)
        if expires_at is not None and now >= expires_at:
            package["expired"] = now - expires_at
    return package


def can_open_files() -> bool:
    """Whether this process can still open a file: a task may have used up all descriptors."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            logger.warning("%s ends: its tasks have used up all file descriptors", os.getpid())
            return False
    return True


def rss_check() -> bool:
    """Whether this process has used more memory than ``Q_CLUSTER['max_rss']`` kilobytes."""
    if not Conf.MAX_RSS:
        return False
    if resource:
        return (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            >= Conf.MAX_RSS * RSS_UNITS_PER_KILOBYTE
        )
    if psutil:
        return psutil.Process().memory_info().rss >= Conf.MAX_RSS * 1024
    return False
