"""The worker: executes the tasks in the task queue, and puts results into the result queue."""

from __future__ import annotations

import errno
import os
import queue
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import current_process
from typing import Any

from django_q.caller_context.travel import execute_in_caller_context
from django_q.completion.finished_task import needs_only_acknowledging
from django_q.completion.resumption import has_succeeded_before
from django_q.conf import Conf
from django_q.exceptions import TaskCancelled, TaskInterruption, TaskStopped
from django_q.execution.cancellation import end_as_cancelled
from django_q.execution.current_task.task_run import ForkCount, TaskRun, running_task
from django_q.execution.execution import UndecodablePayload, execute, time_limit
from django_q.execution.expiry import end_as_expired
from django_q.execution.pickled_results import with_pickled_values
from django_q.execution.plain_options import make_options_plain
from django_q.execution.run_details import note_run
from django_q.execution.time_limit import Alarm
from django_q.foreign_code.guards import send_signal_safely
from django_q.foreign_code.task_context import in_own_context
from django_q.processes.shared_state.bell import Bell
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slot, WorkerState
from django_q.processes.shared_state.task_label import task_label
from django_q.processes.supervision.exit_timeout import EXIT_TIMEOUT
from django_q.processes.supervision.process_start import log_ready, parent_flags, set_process_title
from django_q.processes.task_runs.job import read_job
from django_q.processes.task_runs.log_recorder import make_recorder
from django_q.processes.task_runs.resource_use import can_open_files, rss_check
from django_q.processes.task_runs.stack_text import give_stack
from django_q.processes.task_runs.task_host import TaskHost
from django_q.processes.task_runs.timer_slot import TimerSlotAdapter
from django_q.queues import STOP, ExclusiveWait, Queue
from django_q.rollups.short_runs import ShortRuns
from django_q.servers import connections
from django_q.signals import SENDER, post_spawn
from django_q.task_logs.ring import LogRing
from django_q.text.error_text import safe_str
from django_q.text.function_names import dotted_name
from django_q.text.printable import printable
from django_q.wire.package import TaskPackage

#: Seconds that a batch may take before its waiting tasks are put back for other workers.
SLOW_BATCH_SECONDS = 0.006
#: Seconds in which a task can not use up the descriptors of its process, a thousand or more.
SHORT_TASK_SECONDS = 0.0001
#: With a ``recycle`` below this number a worker is recycled after exactly so many tasks. Above, it
#: also runs for these seconds at least: to start one costs as much as hundreds of short tasks.
EXACT_RECYCLE_TASKS, MIN_WORKER_SECONDS = 100, 1.0


def worker(
    task_queue: Any,
    result_queue: Any,
    timer: Any,
    timeout: float | None = None,
    orders: OrderTable | None = None,
    bell: Bell | None = None,
    log_ring: LogRing | None = None,
) -> None:
    """Execute tasks until ``STOP``, or until this worker is recycled.

    ``timer`` is a Slot, or a ``multiprocessing.Value`` as Django Q's workers take it.
    ``timeout`` is the time limit of a task in seconds, where the settings have none. ``bell``
    wakes the sentinel. What a task logs is kept in ``log_ring``.
    """
    slot = timer if isinstance(timer, Slot) else TimerSlotAdapter(timer)
    WorkerLoop(task_queue, result_queue, slot, timeout, orders, bell, log_ring).run()


@dataclass
class WorkerLoop:
    """The state of a worker: its batch, and the results that are not sent yet."""

    task_queue: Any
    result_queue: Any
    slot: Slot | TimerSlotAdapter
    timeout: float | None = None
    orders: OrderTable | None = None
    bell: Bell | None = None
    log_ring: LogRing | None = None

    def __post_init__(self) -> None:
        self.started_at = time.monotonic()
        self.name = current_process().name
        self.alarm = Alarm(self.return_waiting, SLOW_BATCH_SECONDS, self.cancellation)
        own_slot = self.slot if isinstance(self.slot, Slot) else None
        self.host = TaskHost(own_slot, self.orders, self.label_task)
        # A limit that tasks have unless they say otherwise, where it is not that of the settings.
        self.own_limit = self.timeout if self.timeout != Conf.TIMEOUT else None
        self.limit = self.timeout if self.timeout and self.timeout > 0 else time_limit({})
        self.pending: deque[Any] = deque()  # of the batch, not started yet
        self.results: list[Any] = []  # of the batch, not sent yet
        self.receipts: list[Any] = []  # of tasks that need only acknowledging, not sent yet
        self.short_runs = ShortRuns()  # of these tasks
        self.position = 0  # of the running task in the batch
        self.task_run: TaskRun | None = None  # the running task
        self.has_task_title = False  # whether the process title names a task
        self.tasks_done = 0  # tasks since this worker started
        self.end_state = WorkerState.IDLE  # IDLE until it is to end, then how it ends
        self.is_own_queue = isinstance(self.result_queue, Queue)  # else as the predecessors have it
        self.recorder = make_recorder(self.log_ring)  # None: nothing is recorded
        self.execute: Any = partial(execute_in_caller_context, execute) if Conf.CONTEXT else execute
        # Closed where sending results needs a descriptor, and none is left.
        self.spare_descriptor = os.open(os.devnull, os.O_RDONLY)

    @cached_property
    def wait(self) -> ExclusiveWait:
        """Waits for a batch, or for the end of the cluster."""
        return ExclusiveWait(self.task_queue, parent_flags())

    def run(self) -> None:
        """Execute batches until the worker is stopped, recycled or has timed out."""
        self.alarm.install()
        if self.recorder:
            self.recorder.install()
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
        running_task.set(None)
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
        task_run = self.task_run = TaskRun(package, self.host, now)
        running_task.set(task_run)
        connections.close_old()
        error, began = None, None
        if package.get("attempt", 1) > 1 and has_succeeded_before(package):
            pass  # also if it has expired since
        elif cancelled := self.host.order_for(package):
            end_as_cancelled(package, cancelled)
        elif "expired" in package:
            end_as_expired(package)
        else:
            began = now
            if self.recorder:
                self.recorder.begin(package, now)
            error = in_own_context(self.execute, package, self.alarm, self.note_success)
            if self.recorder and (log := self.recorder.end()):
                self.results.append(log)
        if ForkCount.value != self.host.forks:
            os._exit(0)  # the task forked, and this is its child: only the parent goes on
        self.task_run = None
        self.tasks_done += 1
        if error is not None or task_run.is_stopped:
            note_interruption(task_run, error)
            if not (task_run.is_stopped or isinstance(error, TaskCancelled)):
                self.slot.note_task_failure()
        self.keep_result(package, began)
        if isinstance(error, TaskInterruption) and not isinstance(error, TaskStopped):
            # The task was interrupted anywhere: what it holds, as locks, ends with this process.
            is_cancelled = isinstance(error, TaskCancelled)
            self.end_state = WorkerState.CANCELLED if is_cancelled else WorkerState.TIMED_OUT
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
            if Conf.ROLLUPS:
                self.short_runs.add(package, began)
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
        self.label_task()

    def label_task(self) -> None:
        """Name the running task in the slot and in the process title, and tell the sentinel."""
        if self.task_run is not None:
            package = self.task_run.package
            name = printable(package["name"])
            func = printable(dotted_name(package["func"]))
            self.slot.set_label(task_label(package, name, func))
            if self.bell is not None:
                self.bell.set()
            set_process_title(f"processing {name} '{func}'")
            self.has_task_title = True

    def cancellation(self) -> str | None:
        """Return who has cancelled the running task, where the sentinel has said so for this one.

        Gives its stack, where that is asked for.

        Called in the handler of a Unix signal.
        """
        task_run = self.task_run
        if task_run is not None and self.host.slot is not None:
            give_stack(self.host.slot, task_run.since)
        if task_run is None or task_run.is_cancelled or not self.host.is_told_to_cancel(task_run):
            return None
        task_run.is_cancelled = True
        return self.host.cancellation(task_run)

    def send_results(self, block: bool = True) -> None:
        """Put the results into the result queue, bare receipts together as one ``DoneReceipts``."""
        results, receipts, runs = self.results, self.receipts, self.short_runs
        if not results and not receipts:
            return
        self.results, self.receipts, self.short_runs = [], [], ShortRuns()
        if not self.is_own_queue:
            for result in results:
                self.result_queue.put(result)
            return
        try:
            self.put([(receipts, runs.sent()), *results] if receipts else results, block)
        except BaseException as error:
            self.results, self.receipts, self.short_runs = results, receipts, runs
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


def note_interruption(task_run: TaskRun, error: BaseException | None) -> None:
    """Note in the package of a task that has failed or was stopped how far its loops have got.

    One that was stopped has not ended, even if it has caught the exception which told it so.
    """
    package, position = task_run.package, task_run.confirmed_position
    if task_run.is_stopped:
        package["success"] = False
        package["stopped_at"] = position or {}
    elif isinstance(error, TaskCancelled):
        package["cancelled"] = safe_str(error)
    elif position:
        package["last_position"] = position
