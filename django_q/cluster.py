"""The cluster, which ``manage.py qcluster`` starts and stops; and names of the predecessors."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import queue
import signal
import socket
import threading
import time
import uuid
from multiprocessing.connection import wait
from typing import Any

from django_q.brokers import get_broker
from django_q.brokers.base import Broker
from django_q.brokers.other_queues import queue_label
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.humanhash import humanize
from django_q.processes.log_writer import LogProcess
from django_q.processes.monitor import monitor
from django_q.processes.process_bodies import child_names
from django_q.processes.pusher import pusher
from django_q.processes.scheduler import scheduler
from django_q.processes.sentinel import Sentinel
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.services.metrics_process import metrics_processes
from django_q.processes.services.service_notes import ServiceNotes, service_notes
from django_q.processes.services.services import Services
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.supervision import process_start, unix_signals
from django_q.processes.supervision.affinity import set_cpu_affinity
from django_q.processes.supervision.sentinel_handle import (
    SENTINEL_CHECK_INTERVAL,
    STOPPING_CHECK_INTERVAL,
    SentinelHandle,
    SentinelRestart,
)
from django_q.processes.supervision.start_conditions import check_start
from django_q.processes.worker import rss_check, worker
from django_q.queues import Flag
from django_q.results.cache import save as save_cached
from django_q.results.saving import save_task
from django_q.results.waiting.polling import wait_for
from django_q.servers.connections import close_old as close_old_django_connections
from django_q.status import Stat, Status
from django_q.utils import localtime

__all__ = [
    "Cluster",
    "Sentinel",
    "Stat",
    "Status",
    "close_old_django_connections",
    "get_mp_context",
    "localtime",
    "monitor",
    "pusher",
    "rss_check",
    "save_cached",
    "save_task",
    "scheduler",
    "set_cpu_affinity",
    "worker",
]

#: Seconds that ``start`` waits for the first heartbeat of a cluster that runs.
FIRST_HEARTBEAT_SECONDS = 5.0
#: Seconds within which a second Unix signal counts as the first: a process gets two where a signal
#: is sent to it and to its group.
SAME_SIGNAL_SECONDS = 0.2

#: Chooses how processes start; a name of django-q2.
get_mp_context = process_start.multiprocessing_context


class Cluster:
    """A cluster as seen by the main process, which starts, supervises and stops its sentinel."""

    def __init__(self, broker: Broker | str | None = None, list_key: str | None = None) -> None:
        if isinstance(broker, str):  # as Django Q 0.3 has it
            broker, list_key = None, broker
        self.broker = broker or get_broker(list_key)
        self.cluster_id = uuid.uuid4()
        self.name = humanize(self.cluster_id.hex)
        self.pid = os.getpid()
        self.host = socket.gethostname()
        self.timeout: float | None = Conf.TIMEOUT
        self._parent_flag = Flag()
        self._stopped_at = -math.inf  # monotonic; when a Unix signal asked for a stop
        self._tables = (ProcessTable(process_start.MAIN_ROLES), ProcessTable(child_names()))
        self._sentinel = SentinelHandle(*self._tables)
        self._restart = SentinelRestart()
        self._notes = ServiceNotes(self.name)  # those of run() alone go anywhere
        self.metrics = metrics_processes(
            self._parent_flag, self.cluster_id, self._tables, self.broker
        )
        self.start_event: Flag | None = None
        self.stop_event: Flag | None = None
        self.abort_event: Flag | None = None

    @property
    def sentinel(self) -> Any:
        """The process of the sentinel; None before it is started."""
        return self._sentinel.process

    @property
    def list_key(self) -> str:
        """The name of the queue."""
        return self.broker.list_key

    def start(self) -> int:
        """Start the sentinel, and return the pid of this process when the cluster runs.

        Waits until the heartbeat can be read, for ``Stat.get_all()``, but at most five seconds, as
        when the broker is unavailable. Raises ``RuntimeError`` if the sentinel ends before.
        """
        check_start(self.broker)
        self.start_without_waiting()
        while not self.start_event.wait(0.1):
            if self.has_stopped:
                self._sentinel.note_end()
                raise self.early_exit_error()
        wait_for(
            lambda: self.has_heartbeat() or not self.is_alive or None,
            FIRST_HEARTBEAT_SECONDS * 1000,
        )
        logger.info("Q Cluster %s [%s] running.", self.name, self.pid)
        return self.pid

    def has_heartbeat(self) -> bool:
        """Whether the heartbeat of the running cluster can be read."""
        # Time limits work in the main thread only.
        is_main = threading.current_thread() is threading.main_thread()
        try:
            with call_timeout() if is_main else contextlib.nullcontext():
                return self.stat.status in (Conf.IDLE, Conf.WORKING)
        except Exception:  # the processes of the cluster log the same error
            self.broker.close()
            return False

    def start_without_waiting(self) -> None:
        """Start the sentinel, without waiting until the cluster runs."""
        logger.info("Q Cluster %s [%s] starting.", self.name, self.pid)
        self.stop_event, self.start_event, self.abort_event = Flag(), Flag(), Flag()
        if Sentinel.__module__ != "django_q.processes.sentinel":
            logger.warning("%r replaces django_q.cluster.Sentinel, but is never called", Sentinel)
        self._sentinel = SentinelHandle(*self._tables)
        self.spawn_sentinel()

    def spawn_sentinel(self) -> None:
        """Start a process of the sentinel for this cluster."""
        events = (self.stop_event, self.start_event, self.abort_event)
        self._sentinel.spawn(events, self.cluster_id, self.timeout, self.broker, self._parent_flag)

    def early_exit_error(self) -> RuntimeError:
        """Make the error for a sentinel that ended before its cluster ran."""
        return RuntimeError(
            f"The sentinel ended with code {self.sentinel.exitcode} before its cluster "
            "ran; what it logged says why."
        )

    def sig_handler(self, signum: int, frame: Any) -> None:
        """Stop the cluster; a handler of Unix signals, as the predecessors have it."""
        logger.debug("%s got %s", self.name, Conf.SIGNAL_NAMES.get(signum, signum))
        self.stop()

    def stop(self) -> bool:
        """Stop the cluster, and wait until it has stopped; return False if it does not run."""
        if not self.is_alive:
            return False
        logger.info("Q Cluster %s [%s] stopping.", self.name, self.pid)
        self.stop_event.set()
        self._sentinel.note_stop()
        while self.is_alive:
            wait_until_readable([self._sentinel.exit_descriptor], STOPPING_CHECK_INTERVAL)
            self._sentinel.kill_stalled()
        self._sentinel.note_end()
        self._sentinel.end_remaining_processes(lambda: None)
        logger.info("Q Cluster %s [%s] has stopped.", self.name, self.pid)
        return True

    def abort(self) -> None:
        """End running tasks at once, and release them; for a cluster that is stopping."""
        if self.abort_event is not None:
            self.abort_event.set()

    def run(self, until_empty: bool = False, then_exit: bool = False) -> int:
        """Run the cluster until SIGTERM or SIGINT, and return an exit code.

        A second signal ends running tasks at once. A sentinel that ends is replaced.
        ``until_empty``: stop when no task is left. ``then_exit``: this process exits afterwards,
        and a signal that comes only then does not change its exit code.
        """
        check_start(self.broker)
        arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        with unix_signals.collected_stop_signals(arrived) as wake:
            with contextlib.suppress(Exception), call_timeout():
                self.broker.ping()  # loads modules once, for all processes that are forked
            gc.collect()
            process_start.freeze_garbage_collector()
            if not arrived.empty():  # a signal came before there was anything to stop
                return 0
            label = f"{self.name}, queue {queue_label(self.list_key)}, {Conf.WORKERS} workers"
            self._notes = service_notes(label, os.environ)
            members = (LogProcess(self._parent_flag), *self.metrics)
            with Services(*members, table=self._tables[0]) as services:
                self.start_without_waiting()
                self.supervise(services, wake, arrived, until_empty)
                if then_exit:  # Python restores the default handlers before its process ends
                    signal.pthread_sigmask(signal.SIG_BLOCK, process_start.STOP_SIGNALS)
                logger.info("Q Cluster %s [%s] has stopped.", self.name, self.pid)
        return 0

    def supervise(
        self, services: Services, wake: Any, arrived: queue.SimpleQueue[int], until_empty: bool
    ) -> None:
        """Supervise the sentinel and the services, and handle signals, until the stop."""
        start_event, has_run = self.start_event, False
        while not (self.has_stopped and self.stop_event.is_set()):
            sources = [wake, *services.sources]
            sources += [self._sentinel.exit_descriptor] if self.is_alive else []
            sources += [] if has_run else [start_event]
            due = min(services.due, self._notes.due)
            wait(sources, self.seconds_until_check(due, until_empty))
            self.handle_unix_signals(wake, arrived)
            services.supervise_once()
            if not has_run and start_event.is_set():
                has_run = True
                logger.info("Q Cluster %s [%s] running.", self.name, self.pid)
            self.supervise_once(has_run)
            is_stopping = self.stop_event.is_set()
            self._notes.report(has_run, self.is_alive, is_stopping, self._sentinel.latest_beat)
            if until_empty and has_run and self.is_done():
                self.stop_event.set()
        self._sentinel.note_end()
        self._sentinel.end_remaining_processes(lambda: self.handle_unix_signals(wake, arrived))

    def seconds_until_check(self, due: float, until_empty: bool) -> float:
        """Return for how many seconds to wait, if no event comes before; ``due`` is monotonic."""
        now = time.monotonic()
        due = min(due, math.inf if self.is_alive else self._restart.due)
        interval = (
            STOPPING_CHECK_INTERVAL
            if self.stop_event.is_set() or until_empty
            else SENTINEL_CHECK_INTERVAL
        )
        return max(0.0, min(due - now, interval))

    def handle_unix_signals(self, wake: socket.socket, arrived: queue.SimpleQueue[int]) -> None:
        """Empty the wake-up socket, and stop at Unix signals that have come."""
        with contextlib.suppress(BlockingIOError):
            wake.recv(64, socket.MSG_DONTWAIT)
        self.stop_on_signals(arrived)

    def stop_on_signals(self, arrived: queue.SimpleQueue[int]) -> None:
        """Stop at the first Unix signal, and at once at the second.

        They are counted here: a cluster that stops already may do so for the same signal, which
        reached the sentinel sooner.
        """
        while not arrived.empty():
            name = Conf.SIGNAL_NAMES.get(arrived.get(), "a signal")
            if time.monotonic() - self._stopped_at < SAME_SIGNAL_SECONDS:
                continue
            if self._stopped_at > -math.inf:
                logger.warning("Q Cluster %s got %s again: it stops at once.", self.name, name)
                self.abort()
                self._sentinel.note_abort()
            else:
                logger.info("Q Cluster %s [%s] stopping after %s.", self.name, self.pid, name)
                self._stopped_at = time.monotonic()
                self.stop_event.set()

    def supervise_once(self, has_run: bool) -> None:
        """Replace the sentinel if it has ended, or kill it if it stands still."""
        self._tables[0].liveness.beat()
        if self.stop_event.is_set():
            self._sentinel.note_stop()
        if self.is_alive:
            self._sentinel.kill_stalled()
        elif self.stop_event.is_set():
            return
        elif self._sentinel.exit_descriptor >= 0:
            self._sentinel.note_end()
            if not has_run:
                raise self.early_exit_error()
            self._restart.delay_after(self.sentinel.exitcode, self._sentinel.started_at)
        elif time.monotonic() >= self._restart.due:
            self.replace_sentinel()

    def replace_sentinel(self) -> None:
        """Start another sentinel, or try again later."""
        try:
            self.start_event = Flag()
            self.spawn_sentinel()
        except (OSError, EOFError) as error:
            self._restart.postpone()
            logger.critical("the sentinel can not be started: %s", error)

    def is_done(self) -> bool:
        """Whether no task is queued and none runs; False if the broker does not answer."""
        try:
            with call_timeout():
                return (
                    self.broker.queue_size() == 0
                    and self.broker.lock_size() == 0
                    and self.stat.status == Conf.IDLE
                )
        except BaseException:  # the processes of the cluster log the same error
            self.broker.close()
            return False

    @property
    def stat(self) -> Status:
        """The cluster's latest heartbeat."""
        if self.sentinel:
            return Stat.get(self.pid, self.cluster_id, broker=self.broker)
        return Status(self.pid, self.cluster_id)

    @property
    def is_alive(self) -> bool:
        """Whether the sentinel is alive."""
        return self._sentinel.is_alive

    @property
    def is_starting(self) -> bool:
        """Whether the cluster was started and does not run yet."""
        return bool(self.stop_event) and not self.start_event.is_set()

    @property
    def is_running(self) -> bool:
        """Whether the cluster runs."""
        return self.is_alive and self.start_event.is_set() and not self.stop_event.is_set()

    @property
    def is_stopping(self) -> bool:
        """Whether the cluster is to stop, and has not stopped yet."""
        return self.is_alive and self.stop_event.is_set()

    @property
    def has_stopped(self) -> bool:
        """Whether the cluster does not run."""
        return not self.is_alive
