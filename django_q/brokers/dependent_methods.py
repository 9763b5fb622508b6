"""Subclasses of a broker that override what the predecessors have, and no more.

They know ``enqueue`` and ``acknowledge`` of one payload. What does the same for many, or as a part
of something, must call theirs: such methods are put over those of the class they derive from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction

from django_q.conf import Conf

#: Seconds for which a key of ``enqueue_once`` is kept, and then still when it may be forgotten:
#: longer than a process that was held up at the wrong moment.
ONCE_KEY_SECONDS, ONCE_KEY_GRACE_SECONDS = 30 * 86400, 3600


def enqueue_many(self: Any, payloads: Iterable[str | bytes]) -> list:
    """Enqueue payloads one by one, with the method of the subclass: in a database all or none."""
    with queue_transaction(self):
        return [self.enqueue(payload) for payload in payloads]


def enqueue_once(self: Any, payload: str | bytes, key: str) -> bool:
    """Enqueue with the method of the subclass, unless there is a mark for the key; whether it did.

    In Redis the mark comes last: who dies before it may enqueue again, and loses nothing.
    """
    mark = self.mark(key) if hasattr(self, "mark") else None
    if hasattr(self, "alias"):
        with queue_transaction(self):
            if not self.heartbeats.insert(mark, "", ONCE_KEY_SECONDS):
                return False
            self.enqueue(payload)
        return True
    if mark and self.connection.exists(mark):
        return False
    self.enqueue(payload)
    if mark:
        self.connection.set(mark, "", ex=ONCE_KEY_SECONDS)
    return True


def queue_transaction(self: Any) -> AbstractContextManager:
    """Open a transaction where the queue is in a database."""
    return transaction.atomic(self.alias) if hasattr(self, "alias") else nullcontext()


def acknowledge_many(self: Any, ack_ids: Iterable) -> set:
    """Acknowledge one by one, with the method of the subclass. Returns those that were stale."""
    return {ack_id for ack_id in ack_ids if self.acknowledge(ack_id) is False}


def acknowledge_by_deleting(self: Any, ack_ids: Iterable) -> set:
    """Acknowledge with the ``delete`` of the subclass, as the predecessors do.

    That may delete whatever holds the id, so those that are stale are sorted out before.
    """
    stale = self.extend(ack_ids := list(ack_ids), Conf.RETRY)
    for ack_id in ack_ids:
        if ack_id not in stale:
            self.delete(self.id_of(ack_id))
    return stale


def move_to_dead_letters(self: Any, ack_id: Any, payload: str | bytes) -> None:
    """End what can not be read with the ``fail`` of the subclass, as the predecessors do."""
    self.fail(ack_id)


#: By method: another that has to call it, and how.
DEPENDENT_METHODS: dict[str, tuple[tuple[str, Callable], ...]] = {
    "enqueue": (("enqueue_many", enqueue_many), ("enqueue_once", enqueue_once)),
    "acknowledge": (("acknowledge_many", acknowledge_many),),
    "delete": (("acknowledge_many", acknowledge_by_deleting),),
    "fail": (("move_to_dead_letters", move_to_dead_letters),),
}


def install_dependent_methods(cls: type) -> None:
    """Let the methods of a class that do the same for many call what it overrides."""
    for name, callers in DEPENDENT_METHODS.items():
        for caller, method in callers:
            if mro_position(cls, name) < mro_position(cls, caller):
                setattr(cls, caller, method)


def mro_position(cls: type, name: str) -> int:
    """Tell where in the order of its bases a class finds a method."""
    return next(number for number, base in enumerate(cls.__mro__) if name in vars(base))
