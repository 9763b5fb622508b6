"""The monitor: takes finished tasks off the result queue, and completes them in batches."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker
from django_q.calls.producer import broker_of_cluster, forget_ids, submit_once
from django_q.completion.completion import complete
from django_q.completion.dead_letters import DeadLetters
from django_q.completion.finished_task import FinishedTask, is_done_receipts
from django_q.completion.orphans import OrphanedDeliveries, recover
from django_q.completion.steps import CompletionSteps, call_broker
from django_q.conf import Conf, logger
from django_q.exceptions import StoreCommandRefused, StoreUnavailable, contain_error
from django_q.execution.execution import UndecodablePayload
from django_q.foreign_code.guards import CurrentForeignCall
from django_q.orders.notices import withdraw_quietly
from django_q.processes.logs.log_queue import batched_log_lines
from django_q.processes.logs.outages import OutageLog, is_brief_conflict
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.processes.result_receiver import ResultReceiver, receipts_in
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.result_queue import set_stuck
from django_q.processes.supervision.process_start import log_ready, parent_flags
from django_q.results.pruning import WaitedFor
from django_q.results.waiting.telling import ResultTeller
from django_q.rollups.recorder import RunRecorder
from django_q.servers import connections
from django_q.task_logs.rows import LogSaver
from django_q.task_state.cancellation import task_key
from django_q.text.error_text import error_summary
from django_q.wire.package import TaskPackage

#: Seconds to wait after the database or the broker failed: at first, and at most.
COMPLETION_BACKOFF_SECONDS = (0.1, 2.0)
#: Share of a lease between two checks of the batch being completed; see ``worker_leases``.
RESULT_EXTEND_INTERVAL_SHARE = 0.08
#: The least seconds between two of these checks.
MIN_EXTEND_INTERVAL = 0.05
#: Seconds for which a hook may run, or a server take to answer, before that is logged.
SLOW_HOOK_SECONDS = 2.0
#: Tries of a step that fails although all stores are available.
MAX_STEP_TRIES = 3
#: Seconds between two tries of a transaction that conflicts with others.
CONFLICT_RETRY_INTERVAL = (0.005, 0.05)


def monitor(
    result_queue: Any, broker: Broker | None = None, order_table: OrderTable | None = None
) -> None:
    """Complete the results that arrive in the result queue, until ``STOP``.

    What has arrived, up to 500 results, makes a batch. A single result is completed at once.
    Notices in ``order_table`` are withdrawn when their tasks have ended.
    """
    loop = MonitorLoop(result_queue, adapt_broker(broker or get_broker()), order_table)
    set_stuck(result_queue, False)  # a monitor that was killed may have left it set
    if parent_flags():
        threading.Thread(target=loop.run_lease_thread, name="lease-extension", daemon=True).start()
    log_ready("monitoring")
    loop.run()


class MonitorLoop:
    """The state of a monitor: the batch it completes, and the leases it extends meanwhile."""

    def __init__(
        self, result_queue: Any, broker: Broker, order_table: OrderTable | None = None
    ) -> None:
        self.result_queue = result_queue
        self.recorder = RunRecorder()
        self.receiver = ResultReceiver(result_queue, self.recorder.write_ended)
        self.broker = broker
        self.order_table = order_table
        self.teller = ResultTeller(broker, WaitedFor.record)
        self.dead_letters = DeadLetters(broker)
        self.log_saver = LogSaver()
        self.batch: list[Any] = []  # being completed
        self.busy_since = math.inf  # monotonic; when the batch began, infinite between batches
        self.last_warning = (math.inf, 0.0)  # start of the slow call, and seconds it had taken
        self.outage_log = OutageLog("results are saved again")
        self.refusal_log = OutageLog("")  # of refused steps that are not repeated
        self.lease_error_log = ThrottledLog("leases are extended again")
        # Why the pusher takes no tasks: a store is unavailable, and an extension of leases has
        # failed or is pending. The main thread notes the first, the other thread the second.
        self.has_outage = self.leases_at_risk = False
        self.stuck_lock = threading.Lock()
        # Held by the thread that extends leases while it reads the queue; the main thread reads
        # on only after it has taken this lock.
        self.lease_thread_lock = threading.Lock()

    def run(self) -> None:
        """Complete batches until no result comes any more."""
        while self.take_batch():
            self.complete_batch()
        self.teller.flush()
        self.recorder.write_all()
        with self.lease_thread_lock:
            self.broker.close()

    def take_batch(self) -> bool:
        """Take the next batch, waiting for it; return False when no result comes any more."""
        self.batch = []  # frees the memory of the last batch while this waits
        if self.teller.held_marks and not self.receiver.has_arrived():
            self.teller.flush()
        self.batch = self.receiver.take_batch()
        return bool(self.batch)

    def complete_batch(self) -> None:
        """Complete the batch, however long that takes."""
        self.busy_since = time.monotonic()
        self.complete_items()
        with self.lease_thread_lock:
            self.busy_since = math.inf
            self.set_leases_at_risk(False)
        self.recorder.write_ended()

    def complete_items(self) -> None:
        """Complete the batch: orphaned deliveries last, after what their worker had finished."""
        packages = [item for item in self.batch if isinstance(item, dict)]
        self.complete(packages)
        self.withdraw_notices(packages)
        done = list(filter(is_done_receipts, self.batch))
        self.acknowledge(receipts_in(done))
        self.recorder.record_receipts([runs for _receipts, runs in done if runs])
        if len(done) == len(self.batch):  # the usual case where nothing is saved
            return
        self.log_saver.save(self.batch)
        for item in self.batch:
            if isinstance(item, UndecodablePayload):
                self.move_to_dead_letters(item)
            elif isinstance(item, OrphanedDeliveries):
                self.recover(item)

    def acknowledge(self, receipts: list[Any]) -> None:
        """Acknowledge receipts together, or one by one if that fails."""
        step = partial(call_broker, self.broker, self.broker.acknowledge_many)
        if receipts and not self.retry_step(partial(step, receipts), tries=1):
            for receipt in receipts:
                self.retry_step(partial(step, [receipt]))

    def move_to_dead_letters(self, undecodable: UndecodablePayload) -> None:
        """Move a payload that can not be decoded to the dead letters; no retry if it is refused."""
        self.retry_step(
            lambda: call_broker(self.broker, self.dead_letters.move_to_dead_letters, undecodable),
            is_repeated=False,
        )

    def recover(self, orphans: OrphanedDeliveries) -> None:
        """Release the unfinished deliveries of a dead worker, and complete the task that ran."""
        found: list[Any] = []

        def step() -> None:
            found[:] = [call_broker(self.broker, recover, orphans, self.broker)]

        self.retry_step(step)
        for item in found:
            if isinstance(item, UndecodablePayload):
                self.move_to_dead_letters(item)
            elif item:
                self.complete([item])
                self.withdraw_notices([item])

    def complete(self, packages: list[TaskPackage]) -> None:
        """Complete packages together, or one by one if that fails.

        A package that fails on its own too is completed without the steps that fail.
        """
        if not packages:
            return
        steps = CompletionSteps(self.teller.tell, self.recorder.record)
        together = partial(self.complete_together, packages, steps)
        if len(packages) > 1 and self.retry_step(together, tries=1):
            return
        for package in packages:
            step = partial(self.complete_together, [package], steps)
            if not self.retry_step(step):
                steps.is_tolerant = True
                self.retry_step(step)
                steps.is_tolerant = False

    def withdraw_notices(self, packages: list[TaskPackage]) -> None:
        """Withdraw the notices for tasks that have ended, cancelled or not."""
        orders = self.order_table.current() if self.order_table else None
        if not orders:
            return
        named = {task_key(each["id"]): each for each in packages}
        keys = [key for key in orders.keys() & named if has_ended(named[key])]
        if keys:
            withdraw_quietly(self.broker, keys)

    def complete_together(self, packages: list[TaskPackage], steps: CompletionSteps) -> None:
        """Complete packages, and forget the ids of links that will not be submitted again."""
        with batched_log_lines():
            links = complete(packages, self.broker, self.submit, steps)
        if links:
            try:
                forget_ids(links, self.broker)
            except Exception as error:
                logger.debug("the ids of links are kept for longer: %s", error_summary(error))

    def run_lease_thread(self) -> None:
        """Extend leases while a batch takes long, as with a slow hook or a database that hangs.

        The body of a thread; it sleeps between two checks.
        """
        while True:
            interval = max(MIN_EXTEND_INTERVAL, RESULT_EXTEND_INTERVAL_SHARE * Conf.RETRY)
            time.sleep(interval)
            try:
                with self.lease_thread_lock:
                    self.extend_leases_if_slow(interval)
            except BaseException as error:  # the thread must not end: no other extends leases
                logger.error("extending leases goes on, after an error: %s", error_summary(error))

    def extend_leases_if_slow(self, interval: float) -> None:
        """Extend leases if the batch has taken longer than ``interval`` seconds."""
        if time.monotonic() - self.busy_since > interval:
            self.receiver.buffer_arrived()
            self.set_leases_at_risk(True)  # before the broker answers, which it may never do
            if self.extend():
                self.set_leases_at_risk(False)
            connections.close_all()  # those of this thread
            self.warn_if_slow()

    def set_leases_at_risk(self, at_risk: bool) -> None:
        """Note whether leases may end unextended: the pusher takes no tasks meanwhile."""
        if at_risk != self.leases_at_risk:
            self.leases_at_risk = at_risk
            self.tell_pusher()

    def set_outage(self, has_outage: bool) -> None:
        """Note whether a store is unavailable: the pusher takes no tasks meanwhile."""
        if has_outage != self.has_outage:
            self.has_outage = has_outage
            self.tell_pusher()

    def tell_pusher(self) -> None:
        """Tell the pusher whether it may take tasks."""
        with self.stuck_lock:
            set_stuck(self.result_queue, self.has_outage or self.leases_at_risk)

    def warn_if_slow(self) -> None:
        """Log which call keeps results waiting; again whenever its time has doubled."""
        is_inside = CurrentForeignCall.entered_at < math.inf
        began = (
            CurrentForeignCall.entered_at
            if is_inside
            else max(self.busy_since, CurrentForeignCall.left_at)
        )
        seconds = time.monotonic() - began
        last_seconds = self.last_warning[1] if self.last_warning[0] == began else 0.0
        if seconds <= max(SLOW_HOOK_SECONDS, 2 * last_seconds):
            return
        self.last_warning = (began, seconds)
        if is_inside:
            what = f"{CurrentForeignCall.what} of [{CurrentForeignCall.task}] has run for"
        else:
            what = "the database, the cache, the broker or a receiver of a signal has taken"
        logger.warning("%s %.0f seconds, and results behind it wait", what, seconds)

    def submit(self, link: TaskPackage) -> str:
        """Enqueue the next link of a chain, once: in this queue unless it names a cluster."""
        broker = broker_of_cluster(self.broker, link.get("cluster"))
        return call_broker(broker, submit_once, link, self.broker)

    def retry_step(
        self, step: Callable[[], Any], tries: int = MAX_STEP_TRIES, is_repeated: bool = True
    ) -> bool:
        """Run a step, and repeat it as long as a store that it writes to is unavailable.

        Returns False if it failed for other reasons ``tries`` times, or if a store refused it and
        ``is_repeated`` is False. The pusher takes no tasks while a store is unavailable.
        """
        pause, failures, failing_since = COMPLETION_BACKOFF_SECONDS[0], 0, None
        while True:
            try:
                step()
            except StoreUnavailable as error:
                failing_since = failing_since or time.monotonic()
                if is_brief_conflict(error, failing_since):
                    time.sleep(random.uniform(*CONFLICT_RETRY_INTERVAL))
                    continue
                self.set_outage(True)
                if isinstance(error, StoreCommandRefused) and not is_repeated:
                    return self.give_up_refused(error)
                self.outage_log.log_outage(error, pause)
            except BaseException as error:
                contain_error(error)
                failures += 1
                if failures >= tries:
                    logger.warning("results can not be completed as they are", exc_info=True)
                    self.note_recovery()
                    return False
            else:
                self.note_recovery()
                return True
            connections.close_all()
            self.wait_extending_leases(pause)
            pause = min(pause * 2, COMPLETION_BACKOFF_SECONDS[1])

    def give_up_refused(self, refusal: StoreCommandRefused) -> bool:
        """Give up a step that the broker refuses, and return False: the delivery comes again."""
        self.refusal_log.log_outage(refusal, COMPLETION_BACKOFF_SECONDS[1])
        self.wait_extending_leases(COMPLETION_BACKOFF_SECONDS[1])
        self.set_outage(False)
        return False

    def note_recovery(self) -> None:
        """Note that results can be saved: extend their leases, then let the pusher take tasks."""
        if self.outage_log:
            self.extend()  # first: the pusher could take what is leased to this cluster
            self.outage_log.log_recovery()
            self.set_outage(False)

    def wait_extending_leases(self, seconds: float) -> None:
        """Extend the leases of all results that wait here, and wait."""
        self.extend()
        self.receiver.buffer_while_waiting(seconds)

    def extend(self) -> bool:
        """Extend the leases of all results that wait here; return False if that failed."""
        receipts = receipts_in((*self.batch, *self.receiver.buffered))
        try:
            if receipts:
                self.broker.extend(receipts, Conf.RETRY)
                self.lease_error_log.log_recovery()
        except BaseException as error:
            contain_error(error)
            text = "leases could not be extended: %s"
            self.lease_error_log.log(
                type(error).__name__, text, error_summary(error), level=logging.WARNING
            )
            return False
        return True


def has_ended(package: TaskPackage) -> bool:
    """Return True unless a task is delivered again."""
    return not FinishedTask(package).is_retried and package.get("stopped_at") is None
