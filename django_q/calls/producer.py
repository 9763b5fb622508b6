"""Submit packages: sign them, and enqueue them at once or when the open transaction commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_q.brokers import adapt_broker
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.conf import Conf, logger
from django_q.exceptions import EnqueueRefused, PackageError, contain_error
from django_q.foreign_code.guards import CurrentForeignCall, send_signal_raising
from django_q.servers.transactions import open_transaction, run_on_commit
from django_q.signals import SENDER, pre_enqueue
from django_q.signing import PackageTooLarge, SignedPackage
from django_q.text.error_text import safe_repr, safe_str
from django_q.text.function_names import dotted_name
from django_q.wire.callables import importable_name
from django_q.wire.options import normalize_package
from django_q.wire.package import TaskPackage, checked_package, link_parts


def submit(package: TaskPackage, broker: Broker | None = None, delay: float = 0) -> str:
    """Put a package on the queue now, and return its id.

    Raises ``PackageError`` for what can not be serialized, and the driver's error when the broker
    does not answer. ``delay`` is in seconds.
    """
    send(signed_payload(package), broker or shared_broker(package.get("cluster")), [package], delay)
    return package["id"]


def submit_once(package: TaskPackage, broker: Broker | None = None) -> str:
    """Put a package on the queue now, unless its id was enqueued before, and return its id.

    Call ``forget_ids`` when nobody will submit it again. Raises as ``signed_payload_in_cluster``
    does.
    """
    payload = signed_payload_in_cluster(package)
    if not broker_of_cluster(broker, package.get("cluster")).enqueue_once(payload, package["id"]):
        logger.debug("task %s was enqueued before", package["id"])
    return package["id"]


def forget_ids(packages: Iterable[TaskPackage], broker: Broker | None = None) -> None:
    """Have the brokers forget the ids that ``submit_once`` has enqueued."""
    ids: dict[str | None, list[str]] = defaultdict(list)
    for package in packages:
        ids[package.get("cluster")].append(package["id"])
    for cluster, own in ids.items():
        broker_of_cluster(broker, cluster).release_once_keys(own)


def broker_of_cluster(broker: Broker | None, cluster: str | None) -> Broker:
    """Find the broker for the queue of a cluster: the given one unless a cluster is named."""
    return broker if broker and not cluster else adapt_broker(shared_broker(cluster))


def submit_when_committed(
    packages: Sequence[TaskPackage], broker: Broker | None = None, on_commit: bool = True
) -> None:
    """Put packages on the queue when the open transaction commits; now if none is open.

    They are signed at once: they carry the arguments as they are now. None of them is
    enqueued unless all can be. With ``on_commit`` False they are enqueued now in any case.
    """
    if not packages:
        return
    broker = broker or shared_broker(packages[0].get("cluster"))
    payloads = [signed_payload(package) for package in packages]
    alias = open_transaction() if on_commit else None
    push = partial(send, payloads, broker, packages)
    if alias is None:
        push()
    elif queue_database(broker) == alias:
        push()
        run_on_commit(None, ids_and_groups(packages), alias)
    else:
        run_on_commit(push, ids_and_groups(packages), alias)


def queue_database(broker: Broker) -> str | None:
    """Name the database of a broker's queue, whose rows commit with its transaction; else None."""
    return getattr(broker, "alias", None)


def ids_and_groups(packages: Sequence[TaskPackage]) -> Iterator[str]:
    """Yield the ids and groups of packages, for which the caller could wait."""
    for package in packages:
        yield package["id"]
        if package.get("group"):
            yield package["group"]


def send(
    payloads: Sequence[str] | str,
    broker: Broker,
    packages: Sequence[TaskPackage],
    delay: float = 0,
) -> None:
    """Enqueue payloads in one round trip."""
    if isinstance(payloads, str) or len(payloads) == 1:
        payload = payloads if isinstance(payloads, str) else payloads[0]
        receipt = adapt_broker(broker).enqueue(payload, delay) if delay else broker.enqueue(payload)
        receipts = [receipt]
    else:
        receipts = adapt_broker(broker).enqueue_many(payloads)
    if logger.isEnabledFor(10):
        for package, receipt in zip(packages, receipts, strict=False):
            logger.debug("Pushed ('%s', '%s') as %s", package["name"], package["id"], receipt)


def signed_payload(package: TaskPackage) -> str:
    """Send ``pre_enqueue``, check what its receivers leave of a package, and make the payload."""
    if pre_enqueue.receivers:
        send_signal_raising(
            *(pre_enqueue, "pre_enqueue", package["name"], package["id"]),
            sender=SENDER,
            task=package,
        )
        checked_package(package)  # receivers may have changed anything in it
    normalize_package(package)
    if Conf.SERIALIZER == "json":
        package = with_named_callables(package)
    try:
        return SignedPackage.dumps(package)
    except (PackageTooLarge, ImproperlyConfigured):  # no value of the call is at fault
        raise
    except Exception as error:
        raise PackageError(explain_unsendable(package, error)) from error


def signed_payload_in_cluster(package: TaskPackage) -> str:
    """Make the payload of a task that a cluster enqueues itself: no caller learns of an error.

    Raises ``PackageError`` for what can not be serialized, and ``EnqueueRefused`` for whatever a
    receiver raises, as that may look like the error of a server that does not answer.
    """
    if killer := CurrentForeignCall.crash_causes.get(package["id"]):
        raise EnqueueRefused(f"{killer} has ended the process that called it")
    try:
        return signed_payload(package)
    except PackageError:
        raise
    except BaseException as error:
        contain_error(error)
        raise EnqueueRefused(f"a receiver of pre_enqueue failed: {safe_repr(error)}") from error


def with_named_callables(package: TaskPackage) -> TaskPackage:
    """Replace the callables of a package by dotted paths, for a serializer without functions."""
    named = {**package, "func": importable_name(package["func"], "The function")}
    if package.get("hook"):
        named["hook"] = importable_name(package["hook"], "The hook")
    if package.get("chain"):
        named["chain"] = [
            link_with_named_callables(*each) for each in enumerate(package["chain"], 1)
        ]
    return named  # type: ignore[return-value]


def link_with_named_callables(number: int, link: Any) -> tuple[str, tuple, dict]:
    """Replace the callables of a link by their dotted paths."""
    func, args, kwargs = link_parts(link)
    if kwargs.get("hook"):
        kwargs["hook"] = importable_name(kwargs["hook"], f"The hook of link {number}")
    return importable_name(func, f"The function of link {number}"), args, kwargs


def explain_unsendable(package: TaskPackage, error: Exception) -> str:
    """Say which part of a call can not be serialized, and why."""
    name = dotted_name(package["func"])
    for part, value in labelled_values(package):
        try:
            SignedPackage.dumps(value)
        except Exception as cause:
            reason = safe_str(cause)
            return (
                f"{part} of '{name}' can not be sent to a worker as {Conf.SERIALIZER}: {reason}. "
                "Pass something it can be made from there, such as a name or a primary key."
            )
    return f"The call of '{name}' can not be sent to a worker: {safe_str(error)}."


def labelled_values(package: TaskPackage) -> Iterator[tuple[str, Any]]:
    """Yield each value of a package with what an error message calls it."""
    yield "The function", package["func"]
    for number, value in enumerate(package["args"], 1):
        yield f"Argument {number} ({type(value).__name__})", value
    for key, value in package["kwargs"].items():
        yield f"Argument '{key}' ({type(value).__name__})", value
    for key, value in package.items():
        yield f"Option '{key}' ({type(value).__name__})", value
