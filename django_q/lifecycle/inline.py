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
from django_q.conf import Conf
from django_q.lifecycle.completion import complete
from django_q.lifecycle.execution import execute
from django_q.lifecycle.producer import signed
from django_q.lifecycle.surroundings import undisturbed
from django_q.package import TaskPackage, checked
from django_q.signing import SignedPackage


def run_inline(package: TaskPackage, broker: Broker | None = None) -> str:
    """Execute and complete a task, and return its id.

    A failure is saved and does not raise, unless ``Q_CLUSTER['sync_raises']`` says so. A cached
    result is kept where those of the ``broker`` are.
    """
    package = checked(SignedPackage.loads(signed(package)))
    with savepoints(), undisturbed():
        error = execute(package)
    complete([package], broker, partial(run_inline, broker=broker))
    if error is not None and Conf.SYNC_RAISES:
        raise error
    return package["id"]


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
