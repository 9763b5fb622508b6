"""What comes to the monitor beside finished tasks: dead workers' work, and undecodable packages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion.completion import max_attempts
from django_q.completion.plain_options import make_plain
from django_q.conf import Conf, logger
from django_q.execution.execution import Undecodable, decode
from django_q.wire.package import TaskPackage

#: How often a task that kills its worker is run where ``max_attempts`` sets no limit.
CRASHES_ALLOWED = 3


@dataclass
class Abandoned:
    """Deliveries that a worker had in hand when it ended, as ``(ack_id, attempt)``."""

    cause: str  # what ended it, in words
    running: tuple[Any, int] | None = None  # the one whose task ran
    unfinished: list[tuple[Any, int]] = field(default_factory=list)  # the others in hand
    timed_out: bool = False  # the running task was ended for its time limit
    stopped: bool = False  # the cluster was told to stop, which is no fault of the task
    unread: bool = False  # it had not started: its worker was reading its package
    returned: bool = False  # the task had succeeded, and its result was being seen to
    inside: str = ""  # whose code its process was in then, where it was that of others


class Graveyard:
    """Moves undecodable packages aside, and says so once for each cause."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.counts: Counter[str] = Counter()

    def bury(self, undecodable: Undecodable) -> None:
        """Move one package aside."""
        self.broker.bury(undecodable.ack_id, undecodable.payload)
        self.counts[undecodable.reason] += 1
        if self.counts[undecodable.reason] == 1:
            logger.error(
                "an undecodable package was moved to the dead queue of %s: %s "
                "Others with this cause are moved without a further line.",
                self.broker.list_key,
                undecodable.reason,
            )


def recover(abandoned: Abandoned, broker: Broker) -> TaskPackage | Undecodable | None:
    """Hand back what a dead worker had in hand, and tell how the task that ran ended.

    Returns that task's package, to be completed as a failure; one that nobody can read, to be
    moved aside; or None where there is neither.
    """
    if abandoned.unfinished:
        broker.release([ack_id for ack_id, _ in abandoned.unfinished], count=False)
    if abandoned.running is None:
        return None
    ack_id, attempt = abandoned.running
    if abandoned.stopped:
        broker.release([ack_id], count=False)
        return None
    if abandoned.unread:
        return deadly(ack_id, attempt, abandoned, broker)
    payload = broker.read(ack_id)
    if payload is None:
        return None
    package = decode(ack_id, payload)
    if isinstance(package, Undecodable):
        return None
    return failed(package, ack_id, attempt, abandoned)


def deadly(ack_id: Any, attempt: int, abandoned: Abandoned, broker: Broker) -> Undecodable | None:
    """Deliver again what a worker died of reading; when that was no chance, it is undecodable.

    It is not read here: this process would die of it, too.
    """
    if not abandoned.timed_out and attempt < (Conf.MAX_ATTEMPTS or CRASHES_ALLOWED):
        broker.release([ack_id])
        return None
    payload = broker.read(ack_id)
    return None if payload is None else Undecodable(ack_id, payload, f"{abandoned.cause}.")


def failed(package: TaskPackage, ack_id: Any, attempt: int, abandoned: Abandoned) -> TaskPackage:
    """Record in a package that its worker died, and whether it is run again.

    One that had succeeded by then stays a success, and is not run again for what a receiver did.
    """
    limit = max_attempts(package) or CRASHES_ALLOWED
    again = not abandoned.timed_out and attempt < limit
    again = again and not (abandoned.returned and abandoned.inside)
    lost = "It succeeded, and its result is lost: " if abandoned.returned and not again else ""
    package.update(
        ack_id=ack_id,
        attempt=attempt,
        success=bool(lost),
        stopped=timezone.now(),
        result=f"{lost}{abandoned.cause} : attempt {attempt}",
    )
    if again:
        package["handed_back"] = True
    make_plain(package)
    return package
