"""The part of the contract by which a task is enqueued once, however often that is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_q.brokers.contract.dependent_methods import ONCE_KEY_GRACE_SECONDS
from django_q.brokers.terms import Enqueued, Terms


class KeyedQueue:
    """A queue that remembers under which keys tasks were enqueued; the base of brokers."""

    enqueue: Any
    enqueue_task: Any
    find_duplicate: Any

    def enqueue_once(self, payload: str | bytes, key: str, terms: Terms | None = None) -> bool:
        """Enqueue unless a payload was under that key before; False when one was.

        Also False when the terms name a key that another task has; then nothing is under that key.
        A broker that can not keep keys enqueues each time: a call that is repeated enqueues twice.
        """
        if terms is not None:
            return self.enqueue_task(payload, terms).is_new
        self.enqueue(payload)
        return True

    def enqueue_many_once(
        self, tasks: Iterable[tuple[str, str | bytes, Terms | None]]
    ) -> list[Enqueued | None]:
        """Enqueue tasks, each a (key, payload, terms), unless one was under its key before.

        None stands for each that was. Others have been enqueued, or another task has their key:
        see ``enqueue_task``. The id in what is returned is empty for one without terms. Where an
        error is raised, some of them may have been enqueued.
        """
        return [self.enqueue_one_once(*task) for task in tasks]

    def enqueue_one_once(
        self, key: str, payload: str | bytes, terms: Terms | None
    ) -> Enqueued | None:
        """Enqueue one task as ``enqueue_many_once`` does."""
        task_id = terms.task_id if terms else ""
        if self.enqueue_once(payload, key, terms):
            return Enqueued(task_id)
        has_key = terms and (terms.unique or terms.idempotency)
        found = self.find_duplicate(terms) if has_key else None
        return None if found is None or found.task_id == task_id else found

    def release_once_keys(
        self, keys: Iterable[str], seconds: float = ONCE_KEY_GRACE_SECONDS
    ) -> None:
        """Delete keys of ``enqueue_once`` after so many seconds: no call will use them again."""
