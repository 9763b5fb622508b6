"""Run a task at once, in the process that calls it: ``sync=True``.

It takes the way that other tasks take, through the payload, so that what works here works in
a cluster. Database connections are left alone: they may hold a test's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from django.db import DatabaseError, connections, transaction

from django_q.brokers.base import Broker
from django_q.calls.producer import signed_payload
from django_q.completion.completion import complete_here
from django_q.conf import Conf
from django_q.exceptions import TimeoutException, inline_interrupts
from django_q.execution.execution import execute
from django_q.execution.task_context import in_own_context
from django_q.signing import SignedPackage
from django_q.wire.package import TaskPackage, checked_package


def run_inline(package: TaskPackage, broker: Broker | None = None) -> str:
    """Execute and complete a task, and return its id.

    A failure is saved and does not raise, unless ``Q_CLUSTER['sync_raises']`` says so. A cached
    result is kept where those of the ``broker`` are. A Ctrl-C, or the time limit of the task that
    calls it, ends it as a failure and is raised when that is saved.
    """
    package = checked_package(SignedPackage.loads(signed_payload(package)))
    with interruptible() as interrupted:
        with savepoints():
            error = in_own_context(execute, package)
        complete_here([package], broker, partial(run_inline, broker=broker))
    if is_interruption(error) or (error is not None and Conf.SYNC_RAISES):
        raise error
    if interrupted:
        raise interrupted[0]
    return package["id"]


@contextmanager
def interruptible() -> Iterator[list[BaseException]]:
    """Collect the Ctrl-C of a user that comes while foreign code runs."""
    interrupted: list[BaseException] = []
    token = inline_interrupts.set(interrupted)
    try:
        yield interrupted
    finally:
        inline_interrupts.reset(token)


def is_interruption(error: BaseException | None) -> bool:
    """Whether what ended a task is meant for its caller, too."""
    if isinstance(error, TimeoutException):
        return error.ends_task
    return isinstance(error, KeyboardInterrupt)


@contextmanager
def savepoints() -> Iterator[None]:
    """Keep a database error inside a task from breaking the transaction of its caller.

    What the task has written stays, as it does in a cluster, unless the database itself gave up.
    """
    with suppress(DatabaseError), ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:
                stack.enter_context(transaction.atomic(using=connection.alias))
        yield
