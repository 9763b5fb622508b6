"""Find the open transactions in which a task is enqueued, or a result waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

from django_q.exceptions import DjangoQError

logger = logging.getLogger("django-q")

#: Isolation levels in which a transaction does not see what is saved after it began.
SNAPSHOT_ISOLATION_LEVELS = ("repeatable read", "serializable")


def is_open(connection: Any) -> bool:
    """Return True if a connection has an open ``atomic`` block.

    The block that a ``TestCase`` wraps around each test does not count: it never commits.
    """
    return connection.in_atomic_block and not all(
        getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
    )


def open_transaction() -> str | None:
    """Return the alias of a database with an open transaction, the default first; else None."""
    for alias in connections:  # not "initialized_only", which takes twice as long
        try:
            if is_open(connections[alias]):
                return alias
        except ImproperlyConfigured:  # whoever uses it gets the error
            continue
    return None


class CommitAction:
    """An action to run when a transaction commits, with the tasks and groups it will push.

    ``keys`` has, by the unique key of a task that it will push, the id that the task will have.
    """

    def __init__(
        self,
        action: Callable[[], Any] | None,
        names: Iterable[str],
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.action = action
        self.names = frozenset(names)
        self.keys = keys or {}

    def __call__(self) -> None:
        if self.action:
            self.action()


def run_on_commit(
    action: Callable[[], Any] | None,
    names: Iterable[str],
    alias: str,
    keys: Mapping[str, str] | None = None,
) -> None:
    """Run an action when a transaction commits; until then ``check_wait`` refuses its names."""
    transaction.on_commit(CommitAction(action, names, keys), using=alias)


def pending_task(key: str, alias: str) -> str | None:
    """Find the id of a task of a unique key that is pushed when a transaction commits.

    It was submitted in a block that is open now, or in one inside that has ended. So no savepoint
    can be rolled back that takes its push away, and not what is done now.
    """
    for _, action, *_ in reversed(connections[alias].run_on_commit):
        if key in getattr(action, "keys", ()):
            return action.keys[key]
    return None


def check_wait(name: str) -> None:
    """Check whether a task or group can be waited for inside the open transactions.

    Raises ``DjangoQError`` if it is pushed only when one of them commits.
    """
    for connection in connections.all(initialized_only=True):
        if not is_open(connection):
            continue
        if any(name in getattr(action, "names", ()) for _, action, *_ in connection.run_on_commit):
            raise DjangoQError(
                f"'{name}' is pushed when the transaction commits, so nothing can be waited for "
                "inside it. Wait after the atomic block, or enqueue with on_commit=False."
            )
        if reads_snapshot(connection):
            logger.warning(
                "waiting for '%s' inside a transaction on '%s', "
                "which does not see what is saved after it began",
                name,
                connection.alias,
            )


def reads_snapshot(connection: Any) -> bool:
    """Return True if the open transaction sees the database as it was when it began."""
    if connection.vendor == "sqlite":
        return True
    level = getattr(connection, "isolation_level", None)
    return str(getattr(level, "name", level)).lower().replace("_", " ") in SNAPSHOT_ISOLATION_LEVELS
