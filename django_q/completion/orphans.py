"""Recover the deliveries that a worker held when it died."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion.finished_task import is_retried, max_attempts
from django_q.conf import Conf, logger
from django_q.exceptions import TaskCancelled, TimeoutException, WorkerDied
from django_q.execution.execution import UndecodablePayload, decode
from django_q.execution.plain_options import make_options_plain
from django_q.execution.retry_policy import has_policy, note_retry
from django_q.execution.run_details import describe_failure, log_fields
from django_q.signing import BadSignature
from django_q.task_state.attempts import attempts_of, last_attempt_unverified, note_attempts
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
    position: dict | None = None  # how far the running task had got, where that is known
    cancelled: str = ""  # who has cancelled the running task, where it was ended for that


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
    if orphaned.stopped and orphaned.position is None:
        broker.release([ack_id], count=False)
        return None
    if orphaned.was_decoding and not orphaned.stopped:
        return release_or_dead_letter(ack_id, attempt, orphaned, broker)
    payload = broker.read(ack_id)
    if payload is None:
        return None
    package = decode(ack_id, payload)
    if isinstance(package, UndecodablePayload):
        return None
    package.update(ack_id=ack_id, attempt=attempt)
    if orphaned.stopped:
        return note_interruption(package, orphaned)
    return record_worker_death(package, orphaned, broker)


def note_interruption(package: TaskPackage, orphaned: OrphanedDeliveries) -> TaskPackage:
    """Note in a package that the stop of the cluster has ended its worker, and how far it was."""
    package.update(
        success=False,
        result=orphaned.cause,
        stopped=timezone.now(),
        stopped_at=orphaned.position,  # type: ignore[typeddict-item]
    )
    make_options_plain(package)
    return package


def release_or_dead_letter(
    ack_id: Any, attempt: int, orphaned: OrphanedDeliveries, broker: Broker
) -> UndecodablePayload | None:
    """Deliver again what a worker died of reading; when that was no chance, it is undecodable.

    It is not read here: this process would die of it, too. Attempts of which the ends were recorded
    do not count, as it had been read for these.
    """
    state = broker.kept_state(ack_id)
    recorded = last_attempt_unverified(state.attempts) if state else 0
    if not orphaned.timed_out and attempt - recorded < (Conf.MAX_ATTEMPTS or MAX_CRASHES):
        broker.release([ack_id])
        return None
    payload = broker.read(ack_id)
    return None if payload is None else UndecodablePayload(ack_id, payload, f"{orphaned.cause}.")


def record_worker_death(
    package: TaskPackage, orphaned: OrphanedDeliveries, broker: Broker
) -> TaskPackage:
    """Record in a package that its worker died, and whether it is run again.

    One that had succeeded by then stays a success, and is not run again for what a receiver did.
    """
    note_kept_attempts(package, broker)
    error = error_of(orphaned)
    package.update(
        success=False,
        stopped=timezone.now(),
        result=f"{orphaned.cause} : attempt {package['attempt']}",
        begun=orphaned.begun,
        worker=orphaned.worker,
        **describe_failure(error, package["func"]),
    )
    if orphaned.position is not None:
        package["last_position"] = orphaned.position
    if orphaned.cancelled:
        package["cancelled"] = orphaned.cancelled
    elif orphaned.had_succeeded and orphaned.foreign_code:
        package["retry_in"] = None
    elif has_policy(package, error):
        note_retry(package, error)
    elif not orphaned.timed_out and is_run_again(package, broker):
        package["handed_back"] = True
    if orphaned.had_succeeded and not is_retried(package):
        package["success"] = True
        package["result"] = f"It succeeded, and its result is lost: {package['result']}"
        for key in ("exception", "fingerprint"):
            package.pop(key, None)
    make_options_plain(package)
    return package


def error_of(orphaned: OrphanedDeliveries) -> BaseException:
    """Make the exception that stands for the end of a worker."""
    if orphaned.cancelled:
        return TaskCancelled(orphaned.cancelled)
    error = TimeoutException() if orphaned.timed_out else WorkerDied()
    error.ends_task = True  # type: ignore[union-attr]
    return error


def note_kept_attempts(package: TaskPackage, broker: Broker) -> None:
    """Note in a package what is kept of its earlier attempts."""
    state = broker.kept_state(package["ack_id"])
    try:
        if state and state.attempts:
            note_attempts(package, state.attempts)
    except BadSignature as error:
        text = "what was kept of '%s' is left out: %s"
        logger.warning(text, package["name"], error, extra=log_fields(package))


def is_run_again(package: TaskPackage, broker: Broker) -> bool:
    """Return whether a task whose worker has died is run again without being asked for.

    What is counted are its deaths, where they are kept, and not what was lost with a whole cluster.
    """
    attempt = package["attempt"]
    if limit := max_attempts(package):
        return attempt < limit
    deaths = attempts_of(package).deaths + 1 if broker.keeps_state else attempt
    return deaths < MAX_CRASHES
