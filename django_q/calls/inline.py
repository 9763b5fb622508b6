"""Run a task at once, in the process that calls it: ``sync=True``.

The package is signed and read again as on its way to a cluster, so that what works here works
there. Database connections are not closed: one may hold the transaction of a test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from django.db import DatabaseError, connections, transaction

from django_q.brokers.base import Broker
from django_q.calls.payloads import signed_payload, terms_of, wanted_terms
from django_q.completion.completion import complete_here
from django_q.completion.deliveries import end_of
from django_q.completion.finished_task import is_retried
from django_q.conf import Conf, logger
from django_q.exceptions import TaskCancelled, TimeoutException, inline_interrupts
from django_q.execution.current_task.task_run import execute_inline, running_task
from django_q.execution.run_details import log_fields, note_run
from django_q.foreign_code.task_context import in_own_context
from django_q.signing import SignedPackage
from django_q.task_state.attempts import attempts_of, with_end
from django_q.text.function_names import dotted_name
from django_q.wire.framework_call import with_read_arguments
from django_q.wire.package import TaskPackage, checked_package


def run_inline(package: TaskPackage, broker: Broker | None = None) -> str:
    """Execute and complete a task, and return its id.

    A failure is saved and does not raise, unless ``Q_CLUSTER['sync_raises']`` says so. A cached
    result is stored with those of the queue of ``broker``. A Ctrl-C, or the time limit of a task
    that makes this call, ends the inner task as a failure and is raised once that is saved.
    """
    payload = signed_payload(package)
    package = with_read_arguments(checked_package(SignedPackage.loads(payload)))
    check_ignored_options(package)
    complete = partial(complete_here, broker=broker, submit=partial(run_inline, broker=broker))
    with collected_interrupts() as interrupted:
        error = execute_here(package)
        while is_retried(package) and not (interrupted or is_raised_in_caller(error)):
            complete([package])  # its end is not the last: nothing but signals follows it
            package = next_attempt(package, payload)
            error = execute_here(package)
        package.pop("retry_in", None)
        complete([package])
    if is_raised_in_caller(error) or (error is not None and Conf.SYNC_RAISES):
        raise error
    if interrupted:
        raise interrupted[0]
    return package["id"]


def execute_here(package: TaskPackage) -> BaseException | None:
    """Execute one attempt. Returns the exception that ended it."""
    began = time.monotonic()
    with savepoints():
        error = in_own_context(execute_inline, package)
    note_run(package, time.monotonic() - began)
    return error


def next_attempt(package: TaskPackage, payload: str) -> TaskPackage:
    """Make the package of the attempt that follows a failed one, with the arguments of the call."""
    again = with_read_arguments(checked_package(SignedPackage.loads(payload)))
    attempts = with_end(attempts_of(package), end_of(package))
    again["ends"], again["ended_count"], again["deaths"] = attempts
    again["attempt"] = package.get("attempt", 1) + 1
    if "last_position" in package:
        again["position"] = package["last_position"]
    return again


def check_ignored_options(package: TaskPackage) -> None:
    """Log which options of how a task waits have no effect, as it does not wait.

    Raises ``PackageError`` for what could not be enqueued with them.
    """
    if ignored := sorted(wanted_terms(package)):
        terms_of(package)
        logger.info(
            "'%s' (%s) runs at once, without its %s",
            dotted_name(package["func"]),
            package["name"],
            ", ".join(ignored),
            extra=log_fields(package),
        )


@contextmanager
def collected_interrupts() -> Iterator[list[BaseException]]:
    """Collect each KeyboardInterrupt that was contained because it was raised in foreign code."""
    interrupted: list[BaseException] = []
    token = inline_interrupts.set(interrupted)
    try:
        yield interrupted
    finally:
        inline_interrupts.reset(token)


def is_raised_in_caller(error: BaseException | None) -> bool:
    """Return True if the error that ended a task must be raised in its caller as well."""
    if isinstance(error, TimeoutException):
        return error.ends_task
    if isinstance(error, TaskCancelled) and running_task.get():
        return True  # it is the caller that is cancelled
    return isinstance(error, KeyboardInterrupt)


@contextmanager
def savepoints() -> Iterator[None]:
    """Keep a database error inside a task from breaking the transaction of its caller.

    What the task has written stays, as it does in a cluster, unless the database rolls it back.
    """
    with suppress(DatabaseError), ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:
                block = transaction.atomic(using=connection.alias)
                # What a TestCase opens is no transaction of the caller's, and neither is this then.
                block._from_testcase = connection.atomic_blocks[-1]._from_testcase
                stack.enter_context(block)
        yield
