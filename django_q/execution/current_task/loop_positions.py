"""How far the loops of a task have got, as far as what they did is sure to stay.

What a loop does inside a transaction stays when that commits, so its position is confirmed then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_q.task_state.position import LoopPositions, is_loop_position

#: Writes JSON without spaces.
encoded = json.JSONEncoder(separators=(",", ":")).encode


class LoopPositionKeeper:
    """The confirmed positions of the loops of one run; ``write`` is given each, as JSON."""

    def __init__(self, earlier: LoopPositions, write: Callable[[bytes], None]) -> None:
        #: By the number of each loop, from "0".
        self.confirmed = dict(earlier)
        self.write = write
        self.count = 0  # of loops that have begun, without those inside of others
        self.is_in_loop = False
        self.pending: PendingPosition | None = None

    def begin_loop(self) -> str | None:
        """Begin a loop, and return its number; None for one inside another, which has none."""
        if self.is_in_loop:
            return None
        self.is_in_loop = True
        self.count += 1
        return str(self.count - 1)

    def end_loop(self, loop: str | None) -> None:
        """End a loop."""
        if loop is not None:
            self.is_in_loop = False

    def earlier_position(self, loop: str | None) -> list[Any] | None:
        """Return where an earlier attempt has got to in a loop; None for its beginning."""
        position = self.confirmed.get(loop or "")
        return position if is_loop_position(position) else None

    def set(self, loop: str, position: list[Any]) -> None:
        """Confirm how far a loop has got."""
        self.confirmed[loop] = position
        self.write(encoded(self.confirmed).encode())

    def confirm(self, loop: str, position: list[Any]) -> bool:
        """Confirm how far a loop has got, as soon as the open transactions have committed.

        Returns False where nobody can know when that is, as autocommit is off.
        """
        in_use = [each for each in connections.all(initialized_only=True) if is_in_use(each)]
        if not in_use:
            self.set(loop, position)
            return True
        if not all(connection.in_atomic_block for connection in in_use):
            return False
        if self.pending and self.pending.is_for(loop, in_use):
            self.pending.position = position
        else:
            self.pending = PendingPosition(self, loop, position, in_use)
        return True


class PendingPosition:
    """A position that is confirmed when several transactions have committed, all of them."""

    def __init__(
        self,
        keeper: LoopPositionKeeper,
        loop: str,
        position: list[Any],
        in_use: list[BaseDatabaseWrapper],
    ) -> None:
        self.keeper, self.loop, self.position = keeper, loop, position
        self.savepoints = savepoints_of(in_use)
        self.callbacks = {each.alias: partial(self.note_commit, each.alias) for each in in_use}
        self.missing = set(self.callbacks)
        for connection in in_use:
            connection.on_commit(self.callbacks[connection.alias])

    def note_commit(self, alias: str) -> None:
        """Note that the transaction of a database has committed."""
        self.missing.discard(alias)
        if not self.missing:
            self.keeper.set(self.loop, self.position)

    def is_for(self, loop: str, in_use: list[BaseDatabaseWrapper]) -> bool:
        """Whether another position of a loop stays or goes with the same commits as this one.

        So a loop inside one long transaction has one callback in it, and not one for each item.
        """
        return (
            self.loop == loop
            and self.savepoints == savepoints_of(in_use)
            and all(self.is_waiting(connection) for connection in in_use)
        )

    def is_waiting(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether the commit of this transaction will be noted: none was rolled back since."""
        callback = self.callbacks.get(connection.alias)
        return any(entry[1] is callback for entry in reversed(connection.run_on_commit))


def is_in_use(connection: BaseDatabaseWrapper) -> bool:
    """Whether what is written to a connection now may be rolled back."""
    if connection.in_atomic_block:
        return True
    return connection.connection is not None and not connection.autocommit


def savepoints_of(in_use: list[BaseDatabaseWrapper]) -> list[tuple[str, list[str]]]:
    """List the savepoints that must be kept for what is written now to stay."""
    return [(each.alias, list(each.savepoint_ids)) for each in in_use]
