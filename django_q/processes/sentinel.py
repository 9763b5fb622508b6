"""The sentinel: starts the processes of a cluster, supervises them, and stops them in order.

It waits for the end of a child, a request to stop, the next heartbeat, the next extension of
leases, or the next time limit. It does nothing else that could wait for another process.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable
from multiprocessing.connection import wait
from typing import Any
from uuid import UUID

from django.utils import timezone

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.humanhash import humanize
from django_q.processes.log_writer import LogProcess
from django_q.processes.logs.awaited_tasks import log_awaited_tasks
from django_q.processes.process_bodies import body_of, make_children
from django_q.processes.pushing.stop_order import stop_if_told
from django_q.processes.server_calls.heartbeat import HeartbeatWriter, snapshot
from django_q.processes.server_calls.loop_positions import LoopPositionSaver
from django_q.processes.server_calls.worker_leases import WorkerLeases
from django_q.processes.shared_state.bell import Bell
from django_q.processes.shared_state.liveness import stall_limit
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.orphan_queue import OrphanQueue
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.shared_state.result_queue import ResultQueue
from django_q.processes.shared_state.slot import Slots, WorkerState
from django_q.processes.supervision import process_start
from django_q.processes.supervision.affinity import bind_to_processors
from django_q.processes.supervision.child import Child
from django_q.processes.supervision.overridden_sentinel import SentinelCompatibility
from django_q.processes.task_runs.cancelled_runs import CancelledRuns
from django_q.processes.task_runs.shown_runs import ShownRuns
from django_q.queues import STOP, Flag, Queue

#: Seconds past its time limit, or past its cancellation, after which a task's worker is killed.
KILL_GRACE = 3.0
#: Seconds that a pusher may take to end, and that a monitor gets to save the last results.
PUSHER_GRACE, MONITOR_GRACE = 10.0, 15.0
#: Seconds between two checks of something that can not be waited for.
PROCESS_POLL_INTERVAL = 0.05
#: Seconds between two checks whether a task that runs is cancelled.
CANCEL_CHECK_INTERVAL = 0.25


class Sentinel(SentinelCompatibility):
    """The processes of one cluster, with the queues and the shared memory between them."""

    def __init__(
        self,
        stop_event: Any,
        start_event: Any,
        cluster_id: UUID,
        broker: Broker | None = None,
        timeout: float | None = None,
        start: bool = True,
    ) -> None:
        self.pid = os.getpid()
        self.parent_pid = os.getppid()
        self.name = multiprocessing.current_process().name
        self.cluster_id = cluster_id
        self.cluster_name = humanize(cluster_id.hex)
        self.broker = adapt_broker(broker or get_broker())
        self.stop_event, self.start_event = stop_event, start_event
        self.abort_event: Any = Flag()
        self.process_table: ProcessTable | None = None
        self.log_process: LogProcess | None = None
        self.event_out = Flag()  # the parent flag of the processes
        self.timeout = timeout
        self.tob = timezone.now()
        self.reincarnations = 0
        self.stopping = False
        self.pool_size = Conf.WORKERS
        self.slots = Slots(self.pool_size)
        self.task_queue, self.result_queue = Queue(), ResultQueue()
        self.children: list[Child] = []
        self.orphans = OrphanQueue(self.result_queue)
        self.leases = WorkerLeases(self.broker, self.slots)
        self.heartbeat = HeartbeatWriter(self.broker, self)
        self.positions = LoopPositionSaver(self.broker, self.slots)
        self.bell = Bell()  # rung by a worker whose task takes longer than most
        self.order_table = OrderTable()
        self.cancelled_runs = CancelledRuns(self.order_table)
        self.shown_runs = ShownRuns(self.broker, self.order_table)
        self._next_stall_check = 0.0  # monotonic; when to check the liveness of processes next
        if start:
            self.start()

    def start(self) -> None:
        """Start the processes, and supervise them until the cluster is to stop."""
        self.spawn_cluster()
        self.start_event.set()
        logger.info("%s guarding cluster %s at %s", self.name, self.cluster_name, self.pid)
        while not self.stop_event.is_set() and not self.is_orphaned():
            self.supervise_once()
        self.stop()

    # The processes.

    @property
    def pusher(self) -> Any:
        """The process of the pusher."""
        return self.process_of(process_start.PUSHER)

    @property
    def monitor(self) -> Any:
        """The process of the monitor."""
        return self.process_of(process_start.MONITOR)

    @property
    def scheduler(self) -> Any:
        """The process of the scheduler; None in a cluster without one."""
        return self.process_of(process_start.SCHEDULER)

    def process_of(self, role: str) -> Any:
        """Find the process of a role that only one process has."""
        return next((child.process for child in self.children if child.role == role), None)

    def start_log_process(self) -> None:
        """Start a log process, where the parent of this process has none."""
        self.log_process = LogProcess(self.event_out, self.task_queue, self.result_queue)
        self.log_process.start()

    def spawn_cluster(self) -> None:
        """Start all processes, in the order in which they are listed."""
        self.children = make_children(self.slots)
        for child in self.children:
            self.spawn(child)

    def spawn(self, child: Child) -> None:
        """Start the process of a child, or note that it can not be started now."""
        body, args, args_after_setup = body_of(child, self)
        daemon = child.role != process_start.WORKER or Conf.DAEMONIZE_WORKERS
        path = f"django_q.processes.{body}"
        try:
            shared_memory = (child.liveness, child.running_code)
            name, parent_flag = child.name, self.event_out
            child.record_start(
                process_start.start_process(
                    path, args, name, parent_flag, daemon, args_after_setup, *shared_memory
                )
            )
        except (OSError, EOFError) as error:  # no memory, too many processes, no fork server
            child.record_failed_start(error)
        self.publish_process(child)
        if child.number and child.is_running:
            bind_to_processors(Conf.CPU_AFFINITY, child.process.pid, child.number - 1)

    def publish_process(self, child: Child) -> None:
        """Write whether a child runs where other processes see it if this one stands still."""
        if self.process_table:
            self.process_table.liveness.beat()
            child.publish(self.process_table.entry(child.name), self.needs(child))

    # One round of supervision.

    def supervise_once(self) -> None:
        """Wait for the next event, and do all that is due."""
        self.wait()
        if self.process_table:
            self.process_table.liveness.beat()
        self.reap()
        self.cancelled_runs.signal(self.children)
        stop_if_told(self.order_table, self.cluster_id, self.stop_event)
        self.shown_runs.answer(self.children)
        self.kill_overdue()
        self.kill_stalled()
        if self.log_process:
            self.log_process.supervise_once()
        self.orphans.send_to_monitor()
        now = time.monotonic()
        if now >= self.leases.due:
            self.leases.extend(now)
        if now >= self.positions.due:
            self.positions.save(now)
        if now >= self.heartbeat.due or self.is_rung():
            self.beat(now)

    def wait(self) -> None:
        """Wait until a process ends, a stop is requested, or the next deadline."""
        sources: list[Any] = [child.exit_descriptor for child in self.children if child.is_running]
        sources += self.log_process.sources if self.log_process else []
        sources += [self.bell] if self.heartbeat.is_idle else []
        flags = process_start.parent_flags()
        events = [self.abort_event] if self.stopping else [self.stop_event, *flags]
        waitable = [event for event in events if hasattr(event, "fileno") and not event.is_set()]
        timeout = max(0.0, self.next_deadline() - time.monotonic())
        if self.orphans or len(waitable) < len(events):
            timeout = min(timeout, PROCESS_POLL_INTERVAL)
        if self.slots.has_running_task:
            timeout = min(timeout, CANCEL_CHECK_INTERVAL)
        wait([*sources, *waitable], timeout)

    def is_rung(self) -> bool:
        """Whether a task takes longer than most that began while the cluster was idle.

        It is to be seen soon, and the next heartbeat is that of an idle cluster.
        """
        if not self.heartbeat.is_idle or not self.bell.is_set():
            return False
        self.bell.clear()
        return True

    def next_deadline(self) -> float:
        """Find when the next thing is due, if no event comes before."""
        deadlines = [self.heartbeat.due, self.leases.due, self._next_stall_check]
        deadlines += [self.log_process.due] if self.log_process else []
        deadlines += [child.due for child in self.missing()]
        deadlines += [child.overdue_at(KILL_GRACE) for child in self.children]
        return min(deadlines)

    def is_orphaned(self) -> bool:
        """Whether the process that started this cluster has ended."""
        return any(flag.is_set() for flag in process_start.parent_flags())

    def reap(self) -> None:
        """Record how processes ended, and start their successors when those are due."""
        for child in self.children:
            if child.is_running and child.has_ended():
                self.handle_exit(child)
        now = time.monotonic()
        for child in self.missing():
            if now >= child.due:
                self.spawn(child)

    def missing(self) -> list[Child]:
        """List the children without a process that need one; at a stop only the monitor does."""
        return [child for child in self.children if not child.is_running and self.needs(child)]

    def needs(self, child: Child) -> bool:
        """Whether a child that ends must be replaced."""
        return not child.retired and (not self.stopping or child.role == process_start.MONITOR)

    def handle_exit(self, child: Child) -> None:
        """Keep the deliveries of a process that has ended, and record and log its end."""
        ending, cause = child.state, child.cause()
        for left in (child.current_log(), child.orphaned_deliveries()):
            if left:
                self.orphans.add(left)
        timed_out = child.ran_out_of_time
        child.record_exit()
        self.publish_process(child)
        if child.stopped or (self.stopping and child.process.exitcode == 0):
            logger.debug("%s stopped", child.name)  # if it was killed, that was logged before
        elif ending is WorkerState.RECYCLED:
            logger.info("recycled %s", child.name)
        else:
            self.reincarnations += 1
            self.heartbeat.due = 0.0
            child.report("timeout" if timed_out else cause, self.needs(child))

    def kill_overdue(self) -> None:
        """Kill workers that have exceeded the time limit of their task or of their exit."""
        now = time.monotonic()
        for child in self.children:
            child.kill_if_overdue(now, KILL_GRACE)

    def kill_stalled(self) -> None:
        """Kill processes that stand still, so that others are started."""
        now, step = time.monotonic(), stall_limit() / 4
        if now >= self._next_stall_check:
            self._next_stall_check = now + step
            for child in self.children:
                child.kill_stalled(now, 2 * step)

    # The state of the cluster.

    def status(self) -> Any:
        """Return the status of the cluster, as the heartbeat has it."""
        if not self.start_event.is_set():
            return Conf.STARTING
        if self.stopping:
            alive = any(child.is_running for child in self.children)
            return Conf.STOPPING if alive else Conf.STOPPED
        return Conf.WORKING if self.is_busy() else Conf.IDLE

    def is_busy(self) -> bool:
        """Whether any task or result is inside the cluster."""
        queued = self.task_queue.qsize() or self.result_queue.qsize()
        return bool(queued) or self.slots.has_running_task

    def beat(self, now: float) -> None:
        """Save a heartbeat, which counts the cluster as busy while it stops."""
        self.heartbeat.beat(now, self.slots.finished, self.is_busy() or self.stopping)

    # The stop.

    def stop(self) -> None:
        """Stop the pusher, the workers and the monitor, in this order, and release what waits."""
        self.stopping = True
        logger.info("%s stopping cluster processes", self.name)
        log_awaited_tasks(self.name, snapshot(self).running, Conf.STOP_TIMEOUT)
        until = time.monotonic() + Conf.STOP_TIMEOUT
        self.heartbeat.due = 0.0
        self.event_out.set()
        if self.broker.keeps_state:  # loops end, and go on in another cluster
            self.order_table.request_stop()
        self.await_end(
            (process_start.PUSHER, process_start.SCHEDULER, process_start.ALERTER),
            min(until, time.monotonic() + PUSHER_GRACE),
        )
        self.orphans.drain(self.task_queue)
        self.await_end((process_start.WORKER,), until)
        self.orphans.drain(self.task_queue)
        self.await_end((), time.monotonic() + MONITOR_GRACE)
        self.orphans.add(STOP)  # not put at once: the result queue may be full
        self.await_end((process_start.MONITOR,), max(until, time.monotonic() + MONITOR_GRACE))
        self.beat(time.monotonic())
        self.broker.close()
        if self.log_process:
            self.log_process.close()

    def await_end(self, roles: Iterable[str], until: float) -> None:
        """Supervise until the processes of these roles have ended, and no orphans are left here.

        Processes that are left at the deadline, or when an abort is requested, are killed.
        """
        ending = [child for child in self.children if child.role in roles]
        for child in ending:
            child.retired = True
        while any(child.is_running for child in ending) or (self.orphans and self.monitor):
            self.supervise_once()
            # The monitor gets its time even then: it releases what the others left.
            is_aborted = self.abort_event.is_set() and process_start.MONITOR not in roles
            if time.monotonic() > until or is_aborted:
                break
        for child in ending:
            if child.is_running:
                logger.warning("%s did not end in time and is killed", child.process.name)
                child.stopped = True
                child.process.kill()
                child.process.join()
        self.reap()
        self.orphans.send_to_monitor()
