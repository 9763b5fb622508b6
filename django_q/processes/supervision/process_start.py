"""The birth of every process: Django set up, then its body by dotted path.

The same under fork, forkserver and spawn: what a child is given can be pickled, and is read
once Django is set up.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any

import django

from django_q.conf import Conf, logger
from django_q.foreign_code.guards import Inside
from django_q.foreign_code.optional_packages import setproctitle
from django_q.processes.logs import log_queue
from django_q.processes.logs.log_queue import LogQueue, Sender
from django_q.processes.shared_state.foreign_call_record import Doorway
from django_q.processes.shared_state.liveness import Pulse
from django_q.processes.supervision.exit_timeout import limit_farewell
from django_q.processes.supervision.unix_signals import STOPS, hear_of_children, unblock
from django_q.queues import Flag
from django_q.servers import connections
from django_q.text.printable import printable
from django_q.wire.package import resolve

#: Names of processes; also in their titles.
SENTINEL, PUSHER, WORKER, MONITOR, SCHEDULER, LOGGER = (
    "sentinel",
    "pusher",
    "worker",
    "monitor",
    "scheduler",
    "logger",
)

#: Those of which a sentinel has one each.
SINGLE = (PUSHER, MONITOR, SCHEDULER)


def context() -> BaseContext:
    """Choose how processes start: as set, or by fork where the platform has it."""
    methods = multiprocessing.get_all_start_methods()
    default = "fork" if "fork" in methods and sys.platform != "darwin" else methods[0]
    return multiprocessing.get_context(Conf.START_METHOD or default)


def spawn(
    path: str,
    args: tuple,
    name: str,
    leash: Flag,
    daemon: bool = False,
    late: tuple = (),
    pulse: Pulse | None = None,
    doorway: Doorway | None = None,
) -> Any:
    """Start a process whose body is the function at a dotted path.

    It hangs on ``leash``, whose writing end nobody else may hold. ``late`` holds further
    arguments, whose classes need Django before they can be read. ``pulse`` is what it shows by
    a thread that it lives; into ``doorway`` it writes in whose code it is.
    """
    connections.close_all()
    birth = Birth(
        path,
        args,
        pickle.dumps(late),
        leash,
        os.environ.get("Q_CLUSTER_NAME"),
        logs_to_terminal(),
        Sender.own.log if Sender.own and name != LOGGER else None,
        pulse,
        doorway,
    )
    process = context().Process(target=birth, name=name, daemon=daemon)
    if context().get_start_method() != "fork":
        # Before, because to start it lets the signals come that are held back.
        resource_tracker.ensure_running()
    with held_back():
        process.start()
    return process


def share_memory() -> None:
    """Keep the collector off what there is, so that forked processes go on sharing it.

    It would write into each object, and a page that is written to is copied.
    """
    gc.freeze()


class Given(Enum):
    """Arguments that a process finds when it is born."""

    LEASH = "leash"  #: its own end of what it hangs on, see Leash


class Birth:
    """What a process needs to begin; called in the child."""

    def __init__(
        self,
        path: str,
        args: tuple,
        late: bytes,
        leash: Flag,
        cluster: str | None,
        logs: bool,
        log: LogQueue | None,
        pulse: Pulse | None,
        doorway: Doorway | None,
    ) -> None:
        self.path, self.args, self.late = path, args, late
        self.leash, self.cluster, self.logs = leash, cluster, logs
        self.log, self.pulse, self.doorway = log, pulse, doorway

    def __call__(self) -> None:
        Leash.take(self.leash)
        connections.Opened.forget()
        if self.doorway is not None:
            Inside.adopt(self.doorway)
        if not django.apps.apps.ready:
            if self.cluster:
                os.environ["Q_CLUSTER_NAME"] = self.cluster
            django.setup()
        is_worker = multiprocessing.current_process().name.startswith(WORKER)
        (connections.suit_tasks if is_worker else connections.suit_cluster)()
        if self.logs:
            log_to_terminal()
        self.send_log(is_worker)
        ignore_unix_signals()
        hear_of_children()
        unblock()
        retitle("")
        if self.pulse:
            self.pulse.keep()
        try:
            self.run()
        finally:
            limit_farewell()
            # Python lets go of handlers before its process ends.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)

    def run(self) -> None:
        """Run the body. What it raises is logged here: Python would write to a stream, and wait."""
        body: Callable = resolve(self.path)
        args = [self.leash if each is Given.LEASH else each for each in self.args]
        try:
            body(*args, *pickle.loads(self.late))
        except BaseException:
            logger.critical("%s has failed", multiprocessing.current_process().name, exc_info=True)
            sys.exit(1)

    def send_log(self, is_worker: bool) -> None:
        """Have the logger's process call handlers; the sentinel does not even wait for room."""
        log_queue.send_nothing()  # of what a fork has copied
        if self.log:
            is_patient = multiprocessing.current_process().name != SENTINEL
            (log_queue.send_own if is_worker else log_queue.send_all)(self.log, is_patient)


class Leash:
    """What a process hangs on: a flag that its parent raises, or that goes up when it dies.

    Only the parent holds the writing end, which the kernel closes however the parent ends.
    """

    own: Flag | None = None  # of this process
    is_handed_on = False  # whether a process of the cluster is being started

    @classmethod
    def take(cls, leash: Flag) -> None:
        """Begin a life on a leash: let go of its other end, and of what a fork copied."""
        if cls.own is not None and cls.own is not leash:
            cls.own.close()
        leash.writer.close()
        cls.own, cls.is_handed_on = leash, False


def leash() -> list[Flag]:
    """List what to watch beside others: readable when this process shall end, or is alone."""
    return [Leash.own] if Leash.own else []


def death_of(process: Any) -> int:
    """Open a descriptor that becomes readable when a process ends; the caller closes it.

    Not ``process.sentinel``: what the process forks inherits that one and holds it open.
    """
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(process.pid)
    return os.dup(process.sentinel)


class TerminalHandler(logging.StreamHandler):
    """Shows the log where a cluster was started."""


def log_to_terminal() -> None:
    """Show the log, unless the project's LOGGING says where it goes."""
    if logger.hasHandlers():
        return
    handler = TerminalHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s [Q] %(levelname)s %(message)s", datefmt="%H:%M:%S")
    )
    logger.addHandler(handler)
    logger.setLevel(Conf.LOG_LEVEL)


def logs_to_terminal() -> bool:
    """Whether this process shows its log by itself, as its children then do."""
    return any(isinstance(handler, TerminalHandler) for handler in logger.handlers)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Have the signals that stop a cluster wait until a block is over.

    What is started inside has them wait for longer: a process of ours until it is born, and
    Python's fork server, which starts others, for good. It would die of one, and the processes
    that it has started would pass for dead.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    Leash.is_handed_on = True
    try:
        yield
    finally:
        Leash.is_handed_on = False
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_unix_signals() -> None:
    """Leave stopping to the sentinel, also when a signal reaches the whole group.

    By functions and not SIG_IGN, which the programs that tasks start would inherit.
    """
    for number in STOPS:
        signal.signal(number, pass_over)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    os.register_at_fork(after_in_child=leave_cluster)


def pass_over(signum: int, frame: FrameType | None) -> None:
    """Do nothing about a Unix signal: the cluster gets it too, and stops this process."""


def leave_cluster() -> None:
    """Let the children that a task forks be ended as usual, and write their own log."""
    if not Leash.is_handed_on:
        log_queue.leave()
    if signal.getsignal(signal.SIGTERM) is pass_over:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def retitle(doing: str) -> None:
    """Show in the list of processes which one this is and what it does."""
    if setproctitle:
        name = multiprocessing.current_process().name
        setproctitle.setproctitle(printable(f"qcluster {name} {doing}".rstrip()))


def say_ready(doing: str) -> None:
    """Log that this process works now."""
    logger.info("%s %s at %s", multiprocessing.current_process().name, doing, os.getpid())
