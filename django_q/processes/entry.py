"""The birth of every process: Django set up, then its body by dotted path.

The same under fork, forkserver and spawn: what a child is given can be pickled, and is read
once Django is set up.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any

import django

from django_q import connections
from django_q.conf import Conf, logger
from django_q.optional import setproctitle
from django_q.package import resolve

#: Names of processes; also in their titles.
SENTINEL, PUSHER, WORKER, MONITOR, SCHEDULER = (
    "sentinel",
    "pusher",
    "worker",
    "monitor",
    "scheduler",
)


def context() -> BaseContext:
    """Choose how processes start: as set, or by fork where the platform has it."""
    methods = multiprocessing.get_all_start_methods()
    default = "fork" if "fork" in methods and sys.platform != "darwin" else methods[0]
    return multiprocessing.get_context(Conf.START_METHOD or default)


def spawn(path: str, args: tuple, name: str, daemon: bool = False, late: tuple = ()) -> Any:
    """Start a process whose body is the function at a dotted path.

    ``late`` holds further arguments, whose classes need Django before they can be read.
    """
    connections.close_all()
    birth = Birth(path, args, pickle.dumps(late), Life.for_child(), cluster_name())
    process = context().Process(target=birth, name=name, daemon=daemon)
    process.start()
    return process


def cluster_name() -> str | None:
    """The name that ``qcluster --name`` gave, which other start methods do not inherit."""
    return os.environ.get("Q_CLUSTER_NAME")


class Birth:
    """What a process needs to begin; called in the child."""

    def __init__(
        self, path: str, args: tuple, late: bytes, line: socket.socket, cluster: str | None
    ) -> None:
        self.path, self.args, self.late = path, args, late
        self.line, self.cluster = line, cluster

    def __call__(self) -> None:
        Life.begin(self.line)
        if not django.apps.apps.ready:
            if self.cluster:
                os.environ["Q_CLUSTER_NAME"] = self.cluster
            django.setup()
        ignore_unix_signals()
        retitle("")
        body: Callable = resolve(self.path)
        body(*self.args, *pickle.loads(self.late))


class Life:
    """What processes hang on: a pair of sockets of which the parent holds one end.

    The kernel closes it however the parent ends, and the child's end becomes readable.
    """

    line: socket.socket | None = None  # this process's end towards its parent
    held: socket.socket | None = None  # the end that its own children watch
    handed: socket.socket | None = None

    @classmethod
    def for_child(cls) -> socket.socket:
        """Give the end that a child gets; all children of a process share it."""
        if cls.held is None:
            cls.held, cls.handed = socket.socketpair()
        return cls.handed  # type: ignore[return-value]

    @classmethod
    def begin(cls, line: socket.socket) -> None:
        """Take the end this process was given, and drop what a fork copied of its parent's."""
        if cls.held is not None:
            cls.held.close()
        if cls.line is not None and cls.line is not line:
            cls.line.close()
        cls.line, cls.held, cls.handed = line, None, None


def lifeline() -> list[socket.socket]:
    """List the socket to watch beside others: readable when the parent is gone."""
    return [Life.line] if Life.line else []


def ignore_unix_signals() -> None:
    """Leave stopping to the sentinel, also when a signal reaches the whole group.

    By functions and not SIG_IGN, which the programs that tasks start would inherit.
    """
    signal.signal(signal.SIGINT, pass_over)
    signal.signal(signal.SIGTERM, pass_over)
    os.register_at_fork(after_in_child=restore_unix_signals)


def pass_over(signum: int, frame: FrameType | None) -> None:
    """Do nothing about a Unix signal: the cluster gets it too, and stops this process."""


def restore_unix_signals() -> None:
    """Let the children that a task forks be ended as usual."""
    if signal.getsignal(signal.SIGTERM) is pass_over:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def retitle(doing: str) -> None:
    """Show in the list of processes which one this is and what it does."""
    if setproctitle:
        name = multiprocessing.current_process().name
        setproctitle.setproctitle(f"qcluster {name} {doing}".rstrip())


def say_ready(doing: str) -> None:
    """Log that this process works now."""
    logger.info("%s %s at %s", multiprocessing.current_process().name, doing, os.getpid())
