"""Make broker methods call what a subclass overrides.

A subclass written for a predecessor overrides ``enqueue`` or ``acknowledge`` for one payload.
Methods that do the same for many payloads, or as one of their steps, must call the override: so
``install_dependent_methods`` replaces those that the subclass inherits by the ones in here.

A subclass that enqueues or dequeues in a way of its own does not know tasks with terms, and one
that dequeues so does not ask for a pause, nor for a state. So ``Broker.serves`` and
``Broker.obeys`` are empty for it, and ``Broker.keeps_state`` is False, unless it defines them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction

from django_q.conf import Conf

#: Seconds for which a key of ``enqueue_once`` is kept, and for which it stays after its release:
#: longer than a process may be suspended between the check of the key and the push.
ONCE_KEY_SECONDS, ONCE_KEY_GRACE_SECONDS = 30 * 86400, 3600


def enqueue_many(self: Any, payloads: Iterable[str | bytes]) -> list[Any]:
    """Enqueue payloads one by one by the subclass's method; in a database all of them or none."""
    with queue_transaction(self):
        return [self.enqueue(payload) for payload in payloads]


def enqueue_once(self: Any, payload: str | bytes, key: str, terms: Any = None) -> bool:
    """Enqueue by the subclass's method unless the key has a mark. Returns False when it has.

    In Redis the mark is set last: a process that dies before may enqueue twice, but loses nothing.
    """
    mark = self.mark(key) if hasattr(self, "mark") else None
    if hasattr(self, "alias"):
        with queue_transaction(self):
            if not self.heartbeats.insert(mark, "", ONCE_KEY_SECONDS):
                return False
            return enqueue_one(self, payload, terms)
    if mark and self.connection.exists(mark):
        return False
    is_new = enqueue_one(self, payload, terms)
    if mark:
        self.connection.set(mark, "", ex=ONCE_KEY_SECONDS)
    return is_new


def enqueue_many_once(self: Any, tasks: Iterable[tuple[str, str | bytes, Any]]) -> list[Any]:
    """Enqueue tasks one by one by the subclass's method; see ``Broker.enqueue_many_once``."""
    return [self.enqueue_one_once(*task) for task in tasks]


def enqueue_one(self: Any, payload: str | bytes, terms: Any) -> bool:
    """Enqueue by the subclass's method; False where another task has a key of the terms."""
    if terms is not None:
        return bool(self.enqueue_task(payload, terms).is_new)
    self.enqueue(payload)
    return True


def queue_transaction(self: Any) -> AbstractContextManager[Any]:
    """Open a transaction on the queue's database; do nothing where the queue is in none."""
    return transaction.atomic(self.alias) if hasattr(self, "alias") else nullcontext()


def acknowledge_many(self: Any, ack_ids: Iterable[Any]) -> set[Any]:
    """Acknowledge one by one by the subclass's method. Returns those that were stale."""
    return {ack_id for ack_id in ack_ids if self.acknowledge(ack_id) is False}


def acknowledge_by_deleting(self: Any, ack_ids: Iterable[Any]) -> set[Any]:
    """Acknowledge by the subclass's ``delete``, as the predecessors do.

    ``delete`` takes the id of a payload and ignores leases, so stale receipts are left out first.
    """
    stale: set[Any] = self.extend(ack_ids := list(ack_ids), Conf.RETRY)
    for ack_id in ack_ids:
        if ack_id not in stale:
            self.delete(self.id_of(ack_id))
    return stale


def move_to_dead_letters(self: Any, ack_id: Any, payload: str | bytes) -> None:
    """End a delivery that can not be read by the subclass's ``fail``, as the predecessors do."""
    self.fail(ack_id)


#: By the name of a method: the methods that have to call it, and functions that do.
DEPENDENT_METHODS: dict[str, tuple[tuple[str, Callable[..., Any]], ...]] = {
    "enqueue": (
        ("enqueue_many", enqueue_many),
        ("enqueue_once", enqueue_once),
        ("enqueue_many_once", enqueue_many_once),
    ),
    "acknowledge": (("acknowledge_many", acknowledge_many),),
    "delete": (("acknowledge_many", acknowledge_by_deleting),),
    "fail": (("move_to_dead_letters", move_to_dead_letters),),
}


#: Methods of the predecessors that know nothing of terms, where a subclass overrides them.
METHODS_WITHOUT_TERMS = ("enqueue", "dequeue")


def install_dependent_methods(cls: Any) -> None:
    """Replace what a subclass inherits that depends on a method it overrides."""
    for name, callers in DEPENDENT_METHODS.items():
        for caller, method in callers:
            if mro_position(cls, name) < mro_position(cls, caller):
                setattr(cls, caller, method)
    if min(mro_position(cls, n) for n in METHODS_WITHOUT_TERMS) < mro_position(cls, "serves"):
        cls.serves = frozenset()
    if mro_position(cls, "dequeue") < mro_position(cls, "obeys"):
        cls.obeys = frozenset()
    if loses_states(cls):
        cls.keeps_state = False


def loses_states(cls: Any) -> bool:
    """Return True if a subclass overrides a method that takes or gives states by one without."""
    said = mro_position(cls, "keeps_state")
    if mro_position(cls, "dequeue") < said:
        return True
    if mro_position(cls, "release") >= said:
        return False
    parameters = inspect.signature(cls.release).parameters.values()
    return not any(each.name == "states" or each.kind == each.VAR_KEYWORD for each in parameters)


def mro_position(cls: type, name: str) -> int:
    """Return the index in the method resolution order at which a class finds a method."""
    return next(number for number, base in enumerate(cls.__mro__) if name in vars(base))
