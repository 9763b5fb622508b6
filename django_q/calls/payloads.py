"""Make what a broker gets of a package: the signed payload, and the terms where it has any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_q.brokers.terms import BROKER_OPTIONS, TERM_OPTIONS, Terms
from django_q.conf import Conf
from django_q.exceptions import EnqueueRefused, PackageError, contain_error
from django_q.foreign_code.guards import CurrentForeignCall, send_signal_raising
from django_q.signals import SENDER, pre_enqueue
from django_q.signing import PackageTooLarge, SignedPackage
from django_q.text.error_text import safe_repr, safe_str
from django_q.text.function_names import dotted_name
from django_q.wire.call_digest import IDEMPOTENCY_KEY, UNIQUE_KEY, call_digest, digest
from django_q.wire.callables import importable_name
from django_q.wire.framework_call import with_written_arguments
from django_q.wire.option_types import EXISTING, REPLACE, expires
from django_q.wire.options import normalize_option, normalize_package
from django_q.wire.package import REQUIRED_KEYS, TaskPackage, checked_package, link_parts
from django_q.wire.queue_options import timestamp_of


def add_default_options(packages: Iterable[TaskPackage], served: frozenset[str]) -> None:
    """Add the project's defaults, of the options that the broker of some tasks serves.

    ``expires`` counts from when a task is due.
    """
    if not (Conf.PRIORITY or Conf.TRACK or Conf.EXPIRES):
        return
    for package in packages:
        if Conf.PRIORITY and "priority" in served:
            package.setdefault("priority", Conf.PRIORITY)
        if Conf.TRACK and "track" in served:
            package.setdefault("track", Conf.TRACK)
        if Conf.EXPIRES and "expires" in served and "expires" not in package:
            package["expires"] = later(package.get("run_after"), Conf.EXPIRES)


def later(moment: float | str | None, seconds: float) -> float | str | None:
    """Return the time that is ``seconds`` after a time in the form in which it travels.

    None where that is too far away to be one.
    """
    try:
        if isinstance(moment, str):
            return expires(datetime.fromisoformat(moment) + timedelta(seconds=seconds))
        return expires((moment or 0) + seconds)
    except (OverflowError, ValueError):
        return None


def first_wanted_options(packages: Iterable[TaskPackage]) -> Collection[str]:
    """Return the options of a package that its broker has to serve, of the first with terms.

    If there is none, those of any package that has some; nothing where all are plain.
    """
    wanted: Collection[str] = ()
    for package in packages:  # a generator takes longer
        is_plain = len(package) == len(REQUIRED_KEYS) or BROKER_OPTIONS.isdisjoint(package)
        if not is_plain:
            wanted = wanted_options(package) or wanted
            if need_terms(wanted):
                break
    return wanted


def need_terms(options: Iterable[str]) -> bool:
    """Return True if a broker needs terms for one of some options."""
    return not TERM_OPTIONS.isdisjoint(options)


def wanted_options(package: TaskPackage) -> set[str]:
    """Return the options of a package that its broker has to serve."""
    return {name for name in BROKER_OPTIONS.intersection(package) if package[name]}  # type: ignore[literal-required]


def wanted_terms(package: TaskPackage) -> set[str]:
    """Return the options of a package for which its broker needs terms.

    A value that is what a task without the option has, as ``priority=0``, needs none.
    """
    # A frozenset & keys would walk through all of the frozenset, whatever the package has.
    return {name for name in TERM_OPTIONS.intersection(package) if package[name]}  # type: ignore[literal-required]


def terms_of(package: TaskPackage) -> Terms:
    """Make the terms of a package whose options are in the form in which they travel.

    Raises ``PackageError`` where ``unique=True`` stands with arguments that have no stable form.
    """
    get = package.get
    due, end = get("run_after"), get("expires")
    given: dict[str, Any] = {"priority": get("priority") or 0}
    if due is not None:
        given |= {"due_at": timestamp_of(due)} if isinstance(due, str) else {"delay": due}
    if end is not None:
        given |= {"expires_at": timestamp_of(end)} if isinstance(end, str) else {"expires_in": end}
    if unique := get("unique"):
        given |= {
            "unique": unique_digest(package, unique),
            "unique_for": get("unique_for") or 0,
            "is_successor": when_duplicate(package) == REPLACE,
        }
    if key := get("idempotency_key"):
        given |= {
            "idempotency": digest(IDEMPOTENCY_KEY, key),
            "idempotency_for": get("idempotency_for") or Conf.IDEMPOTENCY_FOR,
        }
    return Terms(package["id"], **given)


def unique_digest(package: TaskPackage, unique: bool | str) -> str:
    """Return the digest of the option ``unique`` of a package."""
    if unique is True:
        return call_digest(package["func"], package["args"], package["kwargs"])
    return digest(UNIQUE_KEY, unique)


def when_duplicate(package: TaskPackage) -> str:
    """Return what is done where another task has the key of a package: of ``DUPLICATE_CHOICES``."""
    if not package.get("unique"):
        return EXISTING
    return package.get("on_duplicate") or normalize_option("on_duplicate", Conf.ON_DUPLICATE)


def signed_payload(package: TaskPackage) -> str:
    """Send ``pre_enqueue``, check what its receivers leave of a package, and make the payload.

    Raises ``PackageError`` for what can not be sent, and what a receiver raises.
    """
    if pre_enqueue.receivers:
        send_signal_raising(
            *(pre_enqueue, "pre_enqueue", package["name"], package["id"]),
            sender=SENDER,
            task=package,
        )
        checked_package(package)  # receivers may have changed anything in it
    return signed_again(normalize_package(package))


def signed_again(package: TaskPackage) -> str:
    """Make the payload of a package that has been checked. Raises ``PackageError``."""
    if "backend" in package:
        package = with_written_arguments(package)
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
