"""The cluster: what ``manage.py qcluster`` starts and stops."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import queue
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

from django_q.brokers import get_broker
from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.connections import close_old as close_old_django_connections
from django_q.humanhash import humanize
from django_q.processes import entry
from django_q.processes.affinity import set_cpu_affinity
from django_q.processes.monitor import monitor
from django_q.processes.patience import patience
from django_q.processes.pusher import pusher
from django_q.processes.scheduler import scheduler
from django_q.processes.sentinel import Sentinel
from django_q.processes.worker import rss_check, worker
from django_q.queues import Flag
from django_q.results.cache import save as save_cached
from django_q.results.saving import save_task
from django_q.status import Stat, Status
from django_q.utils import localtime

__all__ = [
    "Cluster",
    "Sentinel",
    "Stat",
    "Status",
    "close_old_django_connections",
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

#: Seconds before a sentinel that ended unasked is replaced: at first, and at most.
BACK_OFF = (0.5, 30.0)
#: Seconds within which a second Unix signal is the same wish: who signals a process and its group
#: reaches it twice.
SAME_EVENT = 0.2


class Cluster:
    """A sentinel with its processes, in this process's care."""

    def __init__(self, broker: Broker | str | None = None, list_key: str | None = None) -> None:
        if isinstance(broker, str):  # as Django Q 0.3 has it
            broker, list_key = None, broker
        self.broker = broker or get_broker(list_key)
        self.cluster_id = uuid.uuid4()
        self.name = humanize(self.cluster_id.hex)
        self.pid = os.getpid()
        self.host = socket.gethostname()
        self.timeout: float | None = Conf.TIMEOUT
        self.sentinel: Any = None
        self._leash = Flag()
        self._stopped_at = -math.inf  # monotonic; when a Unix signal asked for a stop
        self._death = -1  # descriptor that is readable when the sentinel has ended
        self.start_event: Flag | None = None
        self.stop_event: Flag | None = None
        self.abort_event: Flag | None = None

    @property
    def list_key(self) -> str:
        """Name of the queue."""
        return self.broker.list_key

    def start(self) -> int:
        """Start the sentinel, and return this process's pid when the cluster runs.

        Raises ``RuntimeError`` when the sentinel ends before that.
        """
        logger.info("Q Cluster %s [%s] starting.", self.name, self.pid)
        self.stop_event, self.start_event, self.abort_event = Flag(), Flag(), Flag()
        self.spawn_sentinel()
        logger.info("Q Cluster %s [%s] running.", self.name, self.pid)
        return self.pid

    def spawn_sentinel(self) -> None:
        """Start the sentinel's process and wait until its cluster runs."""
        events = (self.stop_event, self.start_event, self.abort_event)
        self.broker.close()
        self.sentinel = entry.spawn(
            "django_q.processes.sentinel.sentinel",
            (*events, self.cluster_id, self.timeout),
            entry.SENTINEL,
            self._leash,
            late=(self.broker,),
        )
        if self._death >= 0:
            os.close(self._death)
        self._death = entry.death_of(self.sentinel)
        while not self.start_event.wait(0.1):
            if not self.sentinel.is_alive():
                raise RuntimeError(
                    f"The sentinel ended with code {self.sentinel.exitcode} before its cluster "
                    "ran; what it logged says why."
                )

    def stop(self) -> bool:
        """Stop the cluster and wait for it; False when it does not run."""
        if not self.is_alive:
            return False
        logger.info("Q Cluster %s [%s] stopping.", self.name, self.pid)
        self.stop_event.set()
        self.sentinel.join()
        logger.info("Q Cluster %s [%s] has stopped.", self.name, self.pid)
        return True

    def abort(self) -> None:
        """End running tasks at once and hand them back; for a cluster that is stopping."""
        if self.abort_event is not None:
            self.abort_event.set()

    def run(self, until_empty: bool = False, then_exit: bool = False) -> int:
        """Run the cluster until SIGTERM or SIGINT, and return an exit code.

        A second signal ends running tasks at once. A sentinel that is killed is replaced.
        With ``until_empty`` it stops when no task is left. With ``then_exit`` this process has
        nothing else to do, and a signal that comes when all is done does not make that a failure.
        """
        arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        with contextlib.suppress(Exception), patience():
            self.broker.ping()  # what that loads is loaded once, for all processes
        gc.collect()
        entry.share_memory()
        with unix_signals(arrived) as wake:
            self.start()
            pause = BACK_OFF[0]
            while True:
                ready = wait([self._death, wake], 0.2 if until_empty else None)
                if wake in ready:
                    wake.recv(64)
                    self.obey(arrived)
                if self._death in ready:
                    if self.stop_event.is_set():
                        break
                    pause = self.replace_sentinel(pause)
                if until_empty and self.is_done():
                    self.stop_event.set()
            if then_exit:  # Python lets go of handlers before its process ends
                signal.pthread_sigmask(signal.SIG_BLOCK, entry.STOPS)
        self.sentinel.join()
        logger.info("Q Cluster %s [%s] has stopped.", self.name, self.pid)
        return 0

    def obey(self, arrived: queue.SimpleQueue[int]) -> None:
        """Stop at the first Unix signal, and at once at the second.

        Counted here: that the cluster stops already can come of the same signal, which reached
        the sentinel sooner.
        """
        while not arrived.empty():
            name = Conf.SIGNAL_NAMES.get(arrived.get(), "a signal")
            if time.monotonic() - self._stopped_at < SAME_EVENT:
                continue
            if self._stopped_at > -math.inf:
                logger.warning("Q Cluster %s got %s again: it stops at once.", self.name, name)
                self.abort()
            else:
                logger.info("Q Cluster %s [%s] stopping after %s.", self.name, self.pid, name)
                self._stopped_at = time.monotonic()
                self.stop_event.set()

    def replace_sentinel(self, pause: float) -> float:
        """Start another sentinel after ``pause`` seconds; how long the next one would wait."""
        logger.critical(
            "the sentinel ended with code %s; another starts in %.1f seconds",
            self.sentinel.exitcode,
            pause,
        )
        self.stop_event.wait(pause)
        try:
            self.start_event = Flag()
            self.spawn_sentinel()
        except (RuntimeError, OSError, EOFError) as error:
            logger.critical("the sentinel can not be started: %s", error)
        return min(pause * 2, BACK_OFF[1])

    def is_done(self) -> bool:
        """Whether nothing is queued and nothing runs, as far as can be told now."""
        try:
            with patience():
                return (
                    self.broker.queue_size() == 0
                    and self.broker.lock_size() == 0
                    and self.stat.status == Conf.IDLE
                )
        except Exception:  # the others, who meet the same, say so
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
        """Whether the sentinel lives."""
        return self.sentinel is not None and self.sentinel.is_alive()

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
        """Whether the cluster was told to stop and has not yet."""
        return self.is_alive and self.stop_event.is_set()

    @property
    def has_stopped(self) -> bool:
        """Whether the cluster does not run."""
        return not self.is_alive


@contextlib.contextmanager
def unix_signals(arrived: queue.SimpleQueue[int]) -> Iterator[socket.socket]:
    """Collect SIGTERM and SIGINT while the block runs; gives a socket that then is readable.

    The handler does no more than note the number: anything else could wait for what it
    interrupted.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def note(signum: int, frame: FrameType | None) -> None:
        arrived.put(signum)
        with contextlib.suppress(OSError):
            writer.send(b"1")

    previous = {number: signal.signal(number, note) for number in entry.STOPS}
    try:
        yield reader
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()
