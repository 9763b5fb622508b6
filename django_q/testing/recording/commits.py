"""Run what waits for a commit inside a ``TestCase``, whose own transaction never commits.

A callback of ``on_commit`` runs as in production: when the outermost ``atomic`` block of the code
under test ends, and at once where there is none. One whose block is rolled back does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper, logger
from django.db.transaction import Atomic

from django_q.servers.transactions import CommitAction, is_open


class CommitCallback:
    """A callback of ``on_commit``, which is called once, whoever does that."""

    def __init__(self, callback: Callable[[], Any]) -> None:
        self.callback = callback
        self.is_done = False

    def __call__(self) -> None:
        if not self.is_done:
            self.is_done = True
            self.callback()

    def __getattr__(self, name: str) -> Any:
        # The names and keys of what waits are asked for; what has run waits for nothing.
        if name == "callback" or (self.is_done and name in ("names", "keys")):
            raise AttributeError(name)
        return getattr(self.callback, name)


@contextmanager
def commits_in_testcase() -> Iterator[None]:
    """Run callbacks that are registered meanwhile when they would run without the ``TestCase``."""
    on_commit, exit_atomic = BaseDatabaseWrapper.on_commit, Atomic.__exit__

    def register(self: Any, func: Any, robust: bool = False) -> None:
        is_new = callable(func) and not isinstance(func, CommitCallback)
        on_commit(self, CommitCallback(func) if is_new else func, robust)
        run_committed(self)

    def leave(self: Any, *error: Any) -> Any:
        try:
            return exit_atomic(self, *error)
        finally:
            run_committed(connections[self.using or "default"])

    with (
        mock.patch.object(BaseDatabaseWrapper, "on_commit", register),
        mock.patch.object(Atomic, "__exit__", leave),
    ):
        yield


def run_committed(connection: Any) -> None:
    """Run the callbacks of blocks that have ended, if only blocks of a ``TestCase`` are open."""
    if not connection.in_atomic_block or is_open(connection) or connection.needs_rollback:
        return
    for callback, is_robust in list(waiting_callbacks(connection)):
        try:
            callback()
        except Exception as error:
            if not is_robust:
                raise
            logger.error("Error calling %r in on_commit() (%s).", callback.callback, error)


def waiting_callbacks(connection: Any) -> Iterator[tuple[CommitCallback, bool]]:
    """Yield the callbacks that wait on a connection, and whether their errors are only logged."""
    for _, callback, is_robust in connection.run_on_commit:
        if isinstance(callback, CommitCallback) and not callback.is_done:
            yield callback, is_robust


def count_uncommitted() -> int:
    """Count the calls whose tasks are enqueued when an open transaction commits."""
    return sum(
        isinstance(callback.callback, CommitAction) and callback.callback.action is not None
        for connection in connections.all(initialized_only=True)
        for callback, _ in waiting_callbacks(connection)
    )
