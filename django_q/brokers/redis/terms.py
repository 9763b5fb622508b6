"""Terms of tasks, and descriptions of them, as the scripts write and read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_q.brokers.base import Delivery, payload_text
from django_q.brokers.redis.kept_state import kept_state
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.terms import WAITING, Enqueued, QueuedTask, Terms
from django_q.conf import logger

#: Receipts of tasks with terms begin with it, so a plain one looks up nothing.
TASK_MARK = "t"


class CallTexts:
    """The terms of calls as texts, with the keys of Redis that they name by their place."""

    def __init__(self, list_key: str, keys: tuple[str, ...]) -> None:
        self.list_key = list_key
        #: The keys of the script.
        self.keys = list(keys)

    def add_key(self, key: str) -> int:
        """Add a key; returns its place, from 1."""
        self.keys.append(key)
        return len(self.keys)

    def text(self, terms: Terms) -> str:
        """Write terms as lua/calls/task_calls.lua reads them."""
        kept = [
            self.add_key(f"{self.list_key}:kept:{digest}") if digest else ""
            for digest in (terms.idempotency, terms.unique)
        ]
        values = (
            terms.priority,
            time_text(terms.due_at),
            microseconds(max(terms.delay, 0)),
            time_text(terms.expires_at),
            time_text(terms.expires_in),
            terms.unique,
            int(terms.unique_for * 1000) or "",
            int(terms.is_successor),
            int(terms.idempotency_for * 1000) or "",
            *kept,
            terms.task_id,
        )
        return "|".join(map(str, values))


def single_task_texts(terms: Terms, max_wait: int) -> list[int | str]:
    """Write terms, with one key at most, as lua/calls/enqueue_task.lua reads them.

    ``max_wait`` is in microseconds.
    """
    priority, unique, task_id = terms.priority, terms.unique, terms.task_id
    unique_for = int(terms.unique_for * 1000) or ""
    due: int | str = ""
    if terms.due_at is not None:
        due = microseconds(terms.due_at)
    elif terms.delay > 0:
        due = f"+{microseconds(terms.delay)}"
    text = f"{priority}|{time_text(terms.expires_at)}|{unique}|{unique_for}|{task_id}"
    texts = [task_id, text, -priority, due, max_wait]
    if terms.expires_at is None and terms.expires_in is not None:
        texts.append(microseconds(terms.expires_in))
    elif unique or terms.idempotency:
        texts.append("")
    if unique or terms.idempotency:
        texts.append(unique)
    if kept_for := int(terms.idempotency_for * 1000) if terms.idempotency else 0:
        texts.append(kept_for)
    return texts


def time_text(seconds: float | None) -> int | str:
    """Convert seconds to microseconds; None to an empty text."""
    return "" if seconds is None else microseconds(seconds)


def enqueued(task_id: bytes | str, is_new: int, version: bytes | str) -> Enqueued:
    """Read what became of a call. A client of several servers may have decoded it."""
    return Enqueued(payload_text(task_id), bool(is_new), payload_text(version) or None)


def task_deliveries(taken: list) -> list[Delivery]:
    """Read the deliveries of take_tasks.lua.

    Receipt, payload, attempt, expiry, damage, and what is kept, of each.
    """
    deliveries = []
    columns = (taken[start::6] for start in range(6))
    for ack_id, payload, attempt, expires, is_damaged, kept in zip(*columns, strict=True):
        if is_damaged:
            text = "The terms of the task %s can not be read: it runs as one without options"
            logger.warning(text, ack_id.decode())
        expires_in = int(expires) / 1e6 if expires else None
        state = kept_state(kept) if kept else None
        deliveries.append(Delivery(ack_id.decode(), payload, attempt, expires_in, state))
    return deliveries


def queued_task(
    state: bytes,
    number: bytes,
    payload: bytes,
    terms: bytes,
    tries: bytes,
    ends: bytes,
    kept: list[bytes] | bytes,
    cursor: bytes = b"",
) -> QueuedTask:
    """Read the description of a task, as list_tasks.lua writes it."""
    priority, expires, task_id = read_terms(terms.decode(errors="replace"))
    attempts = int(tries.partition(b"-")[2]) if tries else 0
    is_numbered = bool(terms) or tries == b"0-0"  # that of any other is of when it was taken
    return QueuedTask(
        payload,
        state.decode(),
        task_id,
        priority,
        attempts,
        int(number) / 1e6 if number and is_numbered else None,
        float(ends) / 1e6 if ends and state.decode() != WAITING else None,
        expires,
        cursor.decode(),
        kept_state(kept),
    )


def read_terms(text: str) -> tuple[int, float | None, str]:
    """Read priority, time of expiry and id of a task; those of a plain one where it can not."""
    try:
        priority, expires, _, _, task_id = text.split("|", 4)
        return int(priority), int(expires) / 1e6 if expires else None, task_id
    except ValueError:
        return 0, None, ""


def queue_names_in(keys: Iterable[bytes | str]) -> set[str]:
    """Find the names of queues that have tasks among keys of Redis."""
    names = set()
    for each in keys:
        key = payload_text(each)
        for suffix in ("", ":running", ":tasks"):
            if key.endswith(":q" + suffix):
                names.add(key.removesuffix(suffix))
    return names


def is_task_receipt(ack_id: Any) -> bool:
    """Return True for a receipt of a task with terms."""
    return ack_id[:1] in (TASK_MARK, TASK_MARK.encode())
