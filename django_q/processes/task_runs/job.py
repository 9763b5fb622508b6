"""Read a job, which the pusher has put into the task queue, as the package of a task."""

from __future__ import annotations

from typing import Any

from django_q.brokers.contract.kept_state import KeptState
from django_q.conf import Conf, logger
from django_q.execution.execution import UndecodablePayload, decode
from django_q.execution.run_details import log_fields
from django_q.processes.server_calls.worker_leases import MIN_START_LEASE_SHARE
from django_q.signing import BadSignature
from django_q.task_state.attempts import note_attempts
from django_q.task_state.cancellation import read_cancellation
from django_q.task_state.position import read_position
from django_q.wire.package import TaskPackage

#: Values of a job of which nothing was kept.
JOB_LENGTH = 5


def read_job(job: Any, now: float) -> TaskPackage | UndecodablePayload | None:
    """Decode a job, ``(ack_id, payload, attempt, leased_until, expires_at, state)``.

    ``expires_at`` is the monotonic time from which its task is not begun any more, and ``state``
    what was kept of earlier attempts; None, or missing, for never and nothing. A package is
    returned as it is.
    Returns None if too little of its lease is left: it could end before it is extended.
    """
    if isinstance(job, dict):
        return job  # type: ignore[return-value]
    if len(job) == JOB_LENGTH:  # the usual case
        ack_id, payload, attempt, leased_until, expires_at = job
        state = None
    else:
        ack_id, payload, attempt, leased_until, expires_at, state = (*job, None, None)[:6]
    if now > leased_until - MIN_START_LEASE_SHARE * Conf.RETRY:
        logger.warning(
            "a delivery has waited for too long and comes again: half of its lease of %s s is over",
            Conf.RETRY,
        )
        return None
    package = decode(ack_id, payload)
    if type(package) is not UndecodablePayload:
        package["ack_id"] = ack_id
        package["attempt"] = attempt
        package["leased_until"] = leased_until
        package.setdefault("cluster", Conf.CLUSTER_NAME)
        if expires_at is not None and now >= expires_at:
            package["expired"] = now - expires_at
        if state is not None:
            note_state(package, state)
    return package


def note_state(package: TaskPackage, state: KeptState) -> None:
    """Note in a package what was kept of earlier attempts. What nobody has signed is left out."""
    for text, note in (
        (state.attempts, note_attempts),
        (state.position, note_position),
        (state.cancelled, note_cancellation),
    ):
        if not text:
            continue
        try:
            note(package, text)
        except BadSignature as error:
            text = "'%s' runs without what was kept of it: %s"
            logger.warning(text, package["name"], error, extra=log_fields(package))


def note_position(package: TaskPackage, text: str) -> None:
    """Note how far an earlier attempt has got. Raises ``BadSignature``."""
    package["position"] = read_position(package["id"], text)


def note_cancellation(package: TaskPackage, text: str) -> None:
    """Note who has cancelled the task. Raises ``BadSignature``."""
    package["cancelled"] = read_cancellation(package["id"], text)
