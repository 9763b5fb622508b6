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
from django_q.foreign_code.guards import CurrentForeignCall
from django_q.foreign_code.optional_packages import setproctitle
from django_q.processes.logs import log_queue
from django_q.processes.logs.log_queue import LogQueue, LogSender
from django_q.processes.shared_state.foreign_call_record import ForeignCallRecord
from django_q.processes.shared_state.liveness import LivenessTimestamp
from django_q.processes.supervision.exit_timeout import limit_exit_time
from django_q.processes.supervision.unix_signals import (
    STOP_SIGNALS,
    enable_child_exit_codes,
    unblock_needed_signals,
)
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
SINGLE_PROCESS_ROLES = (PUSHER, MONITOR, SCHEDULER)


def multiprocessing_context() -> BaseContext:
    """Choose how processes start: as set, or by fork where the platform has it."""
    methods = multiprocessing.get_all_start_methods()
    default = "fork" if "fork" in methods and sys.platform != "darwin" else methods[0]
    return multiprocessing.get_context(Conf.START_METHOD or default)


def start_process(
    path: str,
    args: tuple,
    name: str,
    parent_flag: Flag,
    daemon: bool = False,
    args_after_setup: tuple = (),
    liveness: LivenessTimestamp | None = None,
    running_code: ForeignCallRecord | None = None,
) -> Any:
    """Start a process whose body is the function at a dotted path.

    It ends when ``parent_flag`` does, whose writing end nobody else may hold. ``args_after_setup``
    holds further arguments, whose classes need Django before they can be unpickled. A thread of
    the process writes to ``liveness``; the process writes into ``running_code`` whose code it runs.
    """
    connections.close_all()
    target = ProcessStart(
        path,
        args,
        pickle.dumps(args_after_setup),
        parent_flag,
        os.environ.get("Q_CLUSTER_NAME"),
        has_terminal_handler(),
        LogSender.own.log if LogSender.own and name != LOGGER else None,
        liveness,
        running_code,
    )
    process = multiprocessing_context().Process(target=target, name=name, daemon=daemon)
    if multiprocessing_context().get_start_method() != "fork":
        # Before, because to start it lets the signals come that are held back.
        resource_tracker.ensure_running()
    with stop_signals_blocked():
        process.start()
    return process


def freeze_garbage_collector() -> None:
    """Keep the collector off what there is, so that forked processes go on sharing it.

    It would write into each object, and a page that is written to is copied.
    """
    gc.freeze()


class ArgumentPlaceholder(Enum):
    """Arguments that a process finds when it is born."""

    PARENT_FLAG = "leash"  #: its own end of what it hangs on, see Leash


class ProcessStart:
    """What a process needs to begin; called in the child."""

    def __init__(
        self,
        path: str,
        args: tuple,
        args_after_setup: bytes,
        parent_flag: Flag,
        cluster: str | None,
        uses_terminal: bool,
        log: LogQueue | None,
        liveness: LivenessTimestamp | None,
        running_code: ForeignCallRecord | None,
    ) -> None:
        self.path, self.args, self.args_after_setup = path, args, args_after_setup
        self.parent_flag, self.cluster, self.uses_terminal = parent_flag, cluster, uses_terminal
        self.log, self.liveness, self.running_code = log, liveness, running_code

    def __call__(self) -> None:
        ParentWatch.begin(self.parent_flag)
        connections.OpenedConnections.forget()
        if self.running_code is not None:
            CurrentForeignCall.use_recorder(self.running_code)
        if not django.apps.apps.ready:
            if self.cluster:
                os.environ["Q_CLUSTER_NAME"] = self.cluster
            django.setup()
        is_worker = multiprocessing.current_process().name.startswith(WORKER)
        (
            connections.restore_project_databases
            if is_worker
            else connections.configure_cluster_databases
        )()
        if self.uses_terminal:
            log_to_terminal()
        self.send_log(is_worker)
        ignore_stop_signals()
        enable_child_exit_codes()
        unblock_needed_signals()
        set_process_title("")
        if self.liveness:
            self.liveness.beat_in_thread()
        try:
            self.run()
        finally:
            limit_exit_time()
            # Python lets go of handlers before its process ends.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def run(self) -> None:
        """Run the body. What it raises is logged here: Python would write to a stream, and wait."""
        body: Callable = resolve(self.path)
        args = [
            self.parent_flag if each is ArgumentPlaceholder.PARENT_FLAG else each
            for each in self.args
        ]
        try:
            body(*args, *pickle.loads(self.args_after_setup))
        except BaseException:
            logger.critical("%s has failed", multiprocessing.current_process().name, exc_info=True)
            sys.exit(1)

    def send_log(self, is_worker: bool) -> None:
        """Have the logger's process call handlers; the sentinel does not even wait for room."""
        log_queue.restore_loggers()  # of what a fork has copied
        if self.log:
            may_wait = multiprocessing.current_process().name != SENTINEL
            (log_queue.redirect_own_logger if is_worker else log_queue.redirect_all_loggers)(
                self.log, may_wait
            )


class ParentWatch:
    """What a process hangs on: a flag that its parent raises, or that goes up when it dies.

    Only the parent holds the writing end, which the kernel closes however the parent ends.
    """

    own: Flag | None = None  # of this process
    is_starting_process = False  # whether a process of the cluster is being started

    @classmethod
    def begin(cls, flag: Flag) -> None:
        """Begin a life on a leash: let go of its other end, and of what a fork copied."""
        if cls.own is not None and cls.own is not flag:
            cls.own.close()
        flag.writer.close()
        cls.own, cls.is_starting_process = flag, False


def parent_flags() -> list[Flag]:
    """List what to watch beside others: readable when this process shall end, or is alone."""
    return [ParentWatch.own] if ParentWatch.own else []


def open_exit_descriptor(process: Any) -> int:
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


def has_terminal_handler() -> bool:
    """Whether this process shows its log by itself, as its children then do."""
    return any(isinstance(handler, TerminalHandler) for handler in logger.handlers)


@contextlib.contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Have the signals that stop a cluster wait until a block is over.

    What is started inside has them wait for longer: a process of ours until it is born, and
    Python's fork server, which starts others, for good. It would die of one, and the processes
    that it has started would pass for dead.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    ParentWatch.is_starting_process = True
    try:
        yield
    finally:
        ParentWatch.is_starting_process = False
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """Leave stopping to the sentinel, also when a signal reaches the whole group.

    By functions and not SIG_IGN, which the programs that tasks start would inherit.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, ignore_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    os.register_at_fork(after_in_child=reset_forked_child)


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """Do nothing about a Unix signal: the cluster gets it too, and stops this process."""


def reset_forked_child() -> None:
    """Let the children that a task forks be ended as usual, and write their own log."""
    if not ParentWatch.is_starting_process:
        log_queue.detach_forked_process()
    if signal.getsignal(signal.SIGTERM) is ignore_signal:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def set_process_title(doing: str) -> None:
    """Show in the list of processes which one this is and what it does."""
    if setproctitle:
        name = multiprocessing.current_process().name
        setproctitle.setproctitle(printable(f"qcluster {name} {doing}".rstrip()))


def log_ready(doing: str) -> None:
    """Log that this process works now."""
    logger.info("%s %s at %s", multiprocessing.current_process().name, doing, os.getpid())
