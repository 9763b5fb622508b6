"""Submit packages: sign them and put them on a broker's queue, when the transaction says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.db import connections, transaction

from django_q.brokers import get_broker
from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError
from django_q.package import TaskPackage, dotted_name
from django_q.signals import SENDER, pre_enqueue
from django_q.signing import PackageTooLarge, SignedPackage


def submit(package: TaskPackage, broker: Broker | None = None, delay: float = 0) -> str:
    """Put a package on the queue now, and return its id.

    Raises ``PackageError`` for what can not travel, and the driver's error when the broker
    does not answer. ``delay`` is in seconds.
    """
    send(signed(package), broker or get_broker(package.get("cluster")), [package], delay)
    return package["id"]


def submit_when_committed(
    packages: Sequence[TaskPackage], broker: Broker | None = None, on_commit: bool = True
) -> None:
    """Put packages on the queue when the transaction that is open commits; now if none is.

    They are signed at once: they carry the arguments as they are now. None of them is
    enqueued unless all can be. Without ``on_commit`` the transaction is not waited for.
    """
    if not packages:
        return
    broker = broker or get_broker(packages[0].get("cluster"))
    payloads = [signed(package) for package in packages]
    alias = open_transaction() if on_commit else None
    if alias is None or writes_to(broker) == alias:
        send(payloads, broker, packages)
    else:
        transaction.on_commit(partial(send, payloads, broker, packages), using=alias)


def writes_to(broker: Broker) -> str | None:
    """Name the database a broker's queue is in: its rows commit with the transaction itself."""
    return getattr(broker, "alias", None)


def open_transaction() -> str | None:
    """Name a database with an open ``atomic`` block, the default one first.

    The block that a ``TestCase`` wraps around each test is none: it never commits.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block and not all(
            getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
        ):
            return connection.alias
    return None


def send(
    payloads: Sequence[str] | str,
    broker: Broker,
    packages: Sequence[TaskPackage],
    delay: float = 0,
) -> None:
    """Enqueue payloads in one round trip."""
    if isinstance(payloads, str) or len(payloads) == 1:
        payload = payloads if isinstance(payloads, str) else payloads[0]
        receipt = broker.enqueue(payload, delay) if delay else broker.enqueue(payload)
        receipts = [receipt]
    else:
        receipts = broker.enqueue_many(payloads)
    if logger.isEnabledFor(10):
        for package, receipt in zip(packages, receipts, strict=False):
            logger.debug("Pushed ('%s', '%s') as %s", package["name"], package["id"], receipt)


def signed(package: TaskPackage) -> str:
    """Tell ``pre_enqueue``, then make the payload."""
    if pre_enqueue.has_listeners(SENDER):
        pre_enqueue.send(sender=SENDER, task=package)
    try:
        return SignedPackage.dumps(package)
    except PackageTooLarge:
        raise
    except Exception as error:
        raise PackageError(explain(package, error)) from error


def explain(package: TaskPackage, error: Exception) -> str:
    """Say which part of a call can not travel."""
    name = dotted_name(package["func"])
    for part, value in parts(package):
        try:
            SignedPackage.dumps(value)
        except Exception as cause:
            return (
                f"{part} of '{name}' can not be sent to a worker as {Conf.SERIALIZER}: {cause}. "
                "Pass something it can be made from there, such as a name or a primary key."
            )
    return f"The call of '{name}' can not be sent to a worker: {error}."


def parts(package: TaskPackage) -> Iterator[tuple[str, Any]]:
    """List what travels in a package with what it is called."""
    yield "The function", package["func"]
    for number, value in enumerate(package["args"], 1):
        yield f"Argument {number} ({type(value).__name__})", value
    for key, value in package["kwargs"].items():
        yield f"Argument '{key}' ({type(value).__name__})", value
    for key, value in package.items():
        yield f"Option '{key}' ({type(value).__name__})", value
