"""Recover the deliveries that a worker held when it died."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion.finished_task import max_attempts
from django_q.conf import Conf
from django_q.exceptions import TimeoutException, WorkerDied
from django_q.execution.execution import UndecodablePayload, decode
from django_q.execution.plain_options import make_options_plain
from django_q.execution.run_details import describe_failure
from django_q.wire.package import TaskPackage

#: How often a task that kills its worker is run where ``max_attempts`` sets no limit.
MAX_CRASHES = 3


@dataclass
class OrphanedDeliveries:
    """Deliveries that a worker held when it ended, as ``(ack_id, attempt)``."""

    cause: str  # what ended it, in words
    running: tuple[Any, int] | None = None  # the one whose task ran
    unfinished: list[tuple[Any, int]] = field(default_factory=list)  # the others that it held
    timed_out: bool = False  # the running task was ended for its time limit
    stopped: bool = False  # the cluster was told to stop, which is no fault of the task
    was_decoding: bool = False  # it had not started: its worker was reading its package
    had_succeeded: bool = False  # the task had succeeded, and its result was being seen to
    foreign_code: str = ""  # whose code its process was in then, where it was that of others
    worker: str = ""  # the process, as rows name it
    begun: float | None = None  # when the running task began, in seconds since the epoch


def recover(
    orphaned: OrphanedDeliveries, broker: Broker
) -> TaskPackage | UndecodablePayload | None:
    """Release what a dead worker held, and find out how the task that ran has ended.

    Returns the package of that task, to be completed; an undecodable payload, to be moved to the
    dead letters; or None where there is neither.
    """
    if orphaned.unfinished:
        broker.release([ack_id for ack_id, _ in orphaned.unfinished], count=False)
    if orphaned.running is None:
        return None
    ack_id, attempt = orphaned.running
    if orphaned.stopped:
        broker.release([ack_id], count=False)
        return None
    if orphaned.was_decoding:
        return release_or_dead_letter(ack_id, attempt, orphaned, broker)
    payload = broker.read(ack_id)
    if payload is None:
        return None
    package = decode(ack_id, payload)
    if isinstance(package, UndecodablePayload):
        return None
    return record_worker_death(package, ack_id, attempt, orphaned)


def release_or_dead_letter(
    ack_id: Any, attempt: int, orphaned: OrphanedDeliveries, broker: Broker
) -> UndecodablePayload | None:
    """Deliver again what a worker died of reading; when that was no chance, it is undecodable.

    It is not read here: this process would die of it, too.
    """
    if not orphaned.timed_out and attempt < (Conf.MAX_ATTEMPTS or MAX_CRASHES):
        broker.release([ack_id])
        return None
    payload = broker.read(ack_id)
    return None if payload is None else UndecodablePayload(ack_id, payload, f"{orphaned.cause}.")


def record_worker_death(
    package: TaskPackage, ack_id: Any, attempt: int, orphaned: OrphanedDeliveries
) -> TaskPackage:
    """Record in a package that its worker died, and whether it is run again.

    One that had succeeded by then stays a success, and is not run again for what a receiver did.
    """
    limit = max_attempts(package) or MAX_CRASHES
    again = not orphaned.timed_out and attempt < limit
    again = again and not (orphaned.had_succeeded and orphaned.foreign_code)
    lost = "It succeeded, and its result is lost: " if orphaned.had_succeeded and not again else ""
    package.update(
        ack_id=ack_id,
        attempt=attempt,
        success=bool(lost),
        stopped=timezone.now(),
        result=f"{lost}{orphaned.cause} : attempt {attempt}",
        begun=orphaned.begun,
        worker=orphaned.worker,
        **describe_failure(
            TimeoutException() if orphaned.timed_out else WorkerDied(), package["func"]
        ),
    )
    if again:
        package["handed_back"] = True
    make_options_plain(package)
    return package
