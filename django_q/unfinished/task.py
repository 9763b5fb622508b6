"""An unfinished task, as it is told to people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from django.core.signing import BadSignature

from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueuedTask
from django_q.models import pickle_preview
from django_q.task_state.attempts import Attempts, read_attempts
from django_q.task_state.cancellation import read_cancellation
from django_q.text.representation import represent
from django_q.unfinished.progress import progress_of

#: The state of a task that a worker runs. A broker only knows that it is leased.
RUNNING = "running"
UNFINISHED_STATES = (WAITING, DELAYED, RUNNING)
#: Characters that are shown of a name that is no text.
MAX_SHOWN_NAME_LENGTH = 200
#: What the id of a package begins with that could not be read, before the name of the error.
UNREADABLE_MARK = "*"


@dataclass(frozen=True)
class UnfinishedTask:
    """A task that waits, is delayed, or runs. Times are in UTC."""

    #: Begins with a star where the package can not be read, as in ``*BadSignature``.
    id: str
    name: str
    #: The dotted path of its function.
    func: str
    group: str | None
    #: "waiting", "delayed" or "running".
    state: str
    #: The name of its queue, as the option ``cluster`` takes it.
    queue: str
    #: When it was enqueued; None where neither its package nor the broker says it.
    since: datetime | None
    #: When a delayed one may begin.
    due: datetime | None = None
    #: The number of the attempt that runs, or of the last one; 0 before the first.
    attempt: int = 0
    priority: int = 0
    #: After this time it is not begun any more.
    expires: datetime | None = None
    #: How its attempts have ended so far, as in ``Task.attempts``, and how many have.
    ends: Sequence[dict[str, Any]] = ()
    ended_count: int = 0
    #: How often it is run again after an end; None where its call does not say it.
    retries: int | None = None
    #: How much of it is done, of how much, and what it says of that; of one that runs.
    done: float | None = None
    total: float | None = None
    note: str = ""
    #: Who has cancelled it, and when; it may run still.
    cancelled: str = ""


def from_broker(
    queued: QueuedTask, queue: str, running: Mapping[str, Mapping[str, Any]]
) -> UnfinishedTask:
    """Describe a task of a broker's queue; ``running`` are those that run, by their ids.

    Its payload is previewed: no object in it is unpickled.
    """
    package = pickle_preview.read_payload(queued.payload)
    package_id = text_of(package.get("id"))
    task_id = queued.task_id or package_id
    is_running = queued.state == LEASED and task_id in running
    run = running[task_id] if is_running else {}
    done, total, note = progress_of(run)
    attempts = kept_attempts(task_id, queued.kept)
    # A cluster that holds it has not begun it yet: then its lease says nothing of an attempt.
    attempt = queued.attempts - (queued.state == LEASED and not is_running)
    return UnfinishedTask(
        task_id,
        text_of(package.get("name")) or unreadable_name(package_id),
        pickle_preview.function_name(package.get("func")),
        text_of(package.get("group")) or None,
        RUNNING if is_running else DELAYED if queued.state == DELAYED else WAITING,
        queue,
        pickle_preview.time_of(package.get("started")) or utc_time(queued.since),
        utc_time(queued.due) if queued.state == DELAYED else None,
        max(attempt, 0),
        queued.priority,
        utc_time(queued.expires),
        attempts.ends,
        attempts.count,
        count_of(package.get("retries")),
        done,
        total,
        note,
        kept_cancellation(task_id, queued.kept) or text_of(run.get("cancelled")),
    )


def from_heartbeat(run: Mapping[str, Any], queue: str) -> UnfinishedTask:
    """Describe a task that runs, where the broker does not find it."""
    since = utc_time(run["since"]) if run["since"] else None
    texts = (run["id"], run["name"], run["func"], run["group"] or None)
    done, total, note = progress_of(run)
    return UnfinishedTask(
        *(*texts, RUNNING, queue, since),
        attempt=run["attempt"],
        done=done,
        total=total,
        note=note,
        cancelled=text_of(run.get("cancelled")),
    )


def kept_attempts(task_id: str, kept: KeptState | None) -> Attempts:
    """Return how the attempts of a task have ended, as far as that is kept and signed."""
    if kept is None or not kept.attempts:
        return Attempts()
    try:
        return read_attempts(task_id, kept.attempts)
    except BadSignature:  # its cluster warns of it
        return Attempts()


def kept_cancellation(task_id: str, kept: KeptState | None) -> str:
    """Return who has cancelled a task, as far as the mark is signed."""
    if kept is None or not kept.cancelled:
        return ""
    try:
        return read_cancellation(task_id, kept.cancelled)
    except BadSignature:  # clusters do not obey it either
        return ""


def count_of(value: Any) -> int | None:
    """Return an option of a package that is a count; None for anything else."""
    return value if type(value) is int and value >= 0 else None


def text_of(value: Any) -> str:
    """Return a text of a package; what else stands in its place is written out."""
    if isinstance(value, str):
        return value
    return "" if value is None else represent(value, MAX_SHOWN_NAME_LENGTH)


def unreadable_name(package_id: str) -> str:
    """Return what stands for the name of a package that can not be read; empty for any other."""
    return package_id if package_id.startswith(UNREADABLE_MARK) else ""


def utc_time(timestamp: float | None) -> datetime | None:
    """Convert seconds since the epoch; None where they are beyond all times."""
    try:
        return None if timestamp is None else datetime.fromtimestamp(timestamp, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
