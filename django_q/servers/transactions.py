"""The transactions that are open where a task is enqueued, or waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

from django_q.exceptions import DjangoQError

logger = logging.getLogger("django-q")

#: Isolation levels in which a transaction never sees what is saved after it began.
SNAPSHOT_ISOLATION_LEVELS = ("repeatable read", "serializable")


def is_open(connection: Any) -> bool:
    """Whether a connection has an open ``atomic`` block.

    The block that a ``TestCase`` wraps around each test is none: it never commits.
    """
    return connection.in_atomic_block and not all(
        getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
    )


def open_transaction() -> str | None:
    """Name a database with an open transaction, the default one first."""
    for alias in connections:  # not "initialized_only", which takes twice as long
        try:
            if is_open(connections[alias]):
                return alias
        except ImproperlyConfigured:  # whoever uses it is told
            continue
    return None


class CommitAction:
    """Something to do when a transaction commits, and the tasks and groups that wait for it."""

    def __init__(self, action: Callable[[], Any] | None, names: Iterable[str]) -> None:
        self.action = action
        self.names = frozenset(names)

    def __call__(self) -> None:
        if self.action:
            self.action()


def run_on_commit(action: Callable[[], Any] | None, names: Iterable[str], alias: str) -> None:
    """Do something when a transaction commits; by then nobody can have waited for the names."""
    transaction.on_commit(CommitAction(action, names), using=alias)


def check_wait(name: str) -> None:
    """See whether waiting for a task or group can end inside the transaction that is open.

    Raises ``DjangoQError`` where that very transaction keeps it from being pushed.
    """
    for connection in connections.all(initialized_only=True):
        if not is_open(connection):
            continue
        if any(name in getattr(action, "names", ()) for _, action, *_ in connection.run_on_commit):
            raise DjangoQError(
                f"'{name}' is pushed when the transaction commits, so nothing can be waited for "
                "inside it. Wait behind the atomic block, or enqueue with on_commit=False."
            )
        if reads_snapshot(connection):
            logger.warning(
                "waiting for '%s' inside a transaction on '%s', "
                "which does not see what is saved after it began",
                name,
                connection.alias,
            )


def reads_snapshot(connection: Any) -> bool:
    """Whether the open transaction sees the database as it was when it began."""
    if connection.vendor == "sqlite":
        return True
    level = getattr(connection, "isolation_level", None)
    return str(getattr(level, "name", level)).lower().replace("_", " ") in SNAPSHOT_ISOLATION_LEVELS
