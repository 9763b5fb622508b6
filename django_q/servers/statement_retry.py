"""Repeat statements that conflict with other transactions, and say when an outcome is unknown.

For methods of objects with a ``connection`` and a method ``may_repeat``.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError

from django_q.servers.database_errors import in_doubt_text, is_disconnect

#: Seconds for which a statement is repeated while other transactions lock the database.
LOCK_RETRY_SECONDS = 20


def retry_on_conflict(method: Callable) -> Callable:
    """Repeat a method that conflicts with other transactions; close a connection that failed."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        end = None
        while True:
            try:
                return method(self, *args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                end = end or time.monotonic() + LOCK_RETRY_SECONDS
                if not self.may_repeat(error) or time.monotonic() > end:
                    raise
            time.sleep(random.uniform(0.005, 0.05))

    return wrapper


def report_in_doubt(method: Callable) -> Callable:
    """Make an error say so when nobody knows whether the row was added before it."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        may_be_in_doubt = connection.connection is not None and not connection.in_atomic_block
        try:
            return method(self, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            if may_be_in_doubt and is_disconnect(error) and not is_connected(connection):
                raise OperationalError(in_doubt_text(error)) from error.__cause__
            raise

    return wrapper


def is_connected(connection: Any) -> bool:
    """Return True if a connection can still be used after an error."""
    return connection.connection is not None and connection.is_usable()
