"""Start the processes of a cluster: set up Django, then run a function by its dotted path.

The same under fork, forkserver and spawn: all arguments can be pickled. Those that need Django are
unpickled after it is set up.
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
from django_q.wire.callables import resolve

#: Names of processes; also in their titles.
SENTINEL, PUSHER, WORKER, MONITOR, SCHEDULER, ALERTER, LOGGER, METRICS = (
    "sentinel",
    "pusher",
    "worker",
    "monitor",
    "scheduler",
    "alerter",
    "logger",
    "metrics",
)

#: Roles of which the main process has one process each.
MAIN_ROLES = (SENTINEL, LOGGER, METRICS)


def multiprocessing_context() -> BaseContext:
    """Choose how processes start: by ``start_method``, or else by fork where that is safe."""
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

    It ends when ``parent_flag`` is set or its writing end is closed: no other process may hold that
    end. ``args_after_setup`` are further arguments, which can only be unpickled when Django is set
    up. A thread of the process writes to ``liveness``. The process records the foreign code that it
    calls in ``running_code``.
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
        # First: starting the tracker unblocks the signals that are blocked below.
        resource_tracker.ensure_running()
    with stop_signals_blocked():
        process.start()
    return process


def freeze_garbage_collector() -> None:
    """Exclude all present objects from garbage collection: forked processes go on sharing them.

    The collector writes into each object that it visits, and a page that is written to is copied.
    """
    gc.freeze()


class ArgumentPlaceholder(Enum):
    """Stands for an argument that the new process replaces by a value of its own."""

    PARENT_FLAG = "parent flag"  #: its end of the flag of its parent, see ParentWatch


class ProcessStart:
    """The target of a new process: sets it up, runs its body, and limits its exit."""

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
        connections.OpenedConnections.reset()
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
            # Python restores the default handlers before its process ends.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def run(self) -> None:
        """Run the body, and log what it raises: Python would write to stderr, which may block."""
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
        """Send records to the log process from now on; the sentinel does not even wait for room."""
        log_queue.restore_loggers()  # of what a fork has copied
        if self.log:
            may_wait = multiprocessing.current_process().name != SENTINEL
            (log_queue.redirect_own_logger if is_worker else log_queue.redirect_all_loggers)(
                self.log, may_wait
            )


class ParentWatch:
    """Watches the parent: a flag that the parent sets, and that counts as set when it dies.

    Only the parent holds the writing end, which the kernel closes however the parent ends.
    """

    own: Flag | None = None  # the flag of this process; None outside of a cluster
    is_starting_process = False  # whether a process of the cluster is being started

    @classmethod
    def begin(cls, flag: Flag) -> None:
        """Watch a flag: close its writing end here, and the flag that a fork has copied."""
        if cls.own is not None and cls.own is not flag:
            cls.own.close()
        flag.writer.close()
        cls.own, cls.is_starting_process = flag, False


def parent_flags() -> list[Flag]:
    """List the flag to wait for beside others; readable when this process is to end."""
    return [ParentWatch.own] if ParentWatch.own else []


def open_exit_descriptor(process: Any) -> int:
    """Open a descriptor that becomes readable when a process ends; the caller closes it.

    Not ``process.sentinel`` if there are pidfds: what the process forks inherits that one, and
    holds it open.
    """
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(process.pid)
    return os.dup(process.sentinel)


class TerminalHandler(logging.StreamHandler):
    """Writes the log to the terminal where a cluster was started."""


def log_to_terminal() -> None:
    """Write the log to the terminal, unless the project's LOGGING has handlers for it."""
    if logger.hasHandlers():
        return
    handler = TerminalHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s [Q] %(levelname)s %(message)s", datefmt="%H:%M:%S")
    )
    logger.addHandler(handler)
    logger.setLevel(Conf.LOG_LEVEL)


def has_terminal_handler() -> bool:
    """Whether this process writes its log to the terminal; its children then do so too."""
    return any(isinstance(handler, TerminalHandler) for handler in logger.handlers)


@contextlib.contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Block the signals that stop a cluster while the block runs.

    What is started inside inherits that: a process of a cluster until it has handlers, and Python's
    fork server for good. A signal would end the fork server, and all processes that it has started
    would count as dead.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    ParentWatch.is_starting_process = True
    try:
        yield
    finally:
        ParentWatch.is_starting_process = False
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """Ignore SIGTERM and SIGINT, which may reach a whole process group: the sentinel stops it.

    By a handler and not by SIG_IGN, which programs that tasks start would inherit.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, ignore_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    os.register_at_fork(after_in_child=reset_forked_child)


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """Do nothing; the handler of a Unix signal, which the main process gets too."""


def reset_forked_child() -> None:
    """Give a process that a task forked the usual signal handlers, and its own log handlers."""
    if not ParentWatch.is_starting_process:
        log_queue.detach_forked_process()
    if signal.getsignal(signal.SIGTERM) is ignore_signal:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def set_process_title(doing: str) -> None:
    """Show in the system's list of processes the role of this one and what it does."""
    if setproctitle:
        name = multiprocessing.current_process().name
        setproctitle.setproctitle(printable(f"qcluster {name} {doing}".rstrip()))


def log_ready(doing: str) -> None:
    """Log that this process has started to work."""
    logger.info("%s %s at %s", multiprocessing.current_process().name, doing, os.getpid())
