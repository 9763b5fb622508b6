"""Checks of options together: with each other, with other settings, and installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import Warning

from django_q.checks.alert_rules import check_alert_sources
from django_q.checks.messages import Messages, no_effect
from django_q.foreign_code import optional_packages
from django_q.results.cache import UNSHARED_CACHE_BACKENDS


def check_retry(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of a ``retry`` that ends before a task may: the task would be delivered again."""
    retry, timeout = conf["RETRY"], conf["TIMEOUT"]
    if timeout and retry <= timeout:
        yield Warning(
            f"{where}['retry'] must be greater than 'timeout' ({timeout}), "
            f"{'got' if 'RETRY' in given else 'and is, as it is not set,'} {retry}. A broker that "
            "can not extend leases would deliver tasks again while they are still running.",
            hint=f"Set {where}['retry'] to {round(2 * timeout)}, for example.",
            id="django_q.W002",
        )


def check_failures(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of failing tasks that are retried without end."""
    if not (conf["ACK_FAILURES"] or conf["MAX_ATTEMPTS"] or conf["RETRIES"]):
        yield Warning(
            f"{where}['ack_failures'] is False and 'max_attempts' sets no limit: a task that "
            "fails each time is tried again for ever.",
            hint="Set 'max_attempts', or leave 'ack_failures' out.",
            id="django_q.W003",
        )


def check_retries(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of limits of attempts that have no effect, for the broker or for another limit."""
    soft, timeout = conf["SOFT_TIMEOUT"], conf["TIMEOUT"]
    if soft and timeout and 0 < timeout <= soft:
        yield no_effect(
            f"{where}['soft_timeout']", f"'timeout' ({timeout}) ends a task before {soft} seconds"
        )
    delay, most = conf["RETRY_DELAY"], conf["RETRY_MAX_DELAY"]
    if "RETRY_MAX_DELAY" in given and delay > most:
        yield no_effect(f"{where}['retry_max_delay']", f"'retry_delay' is {delay}")
    if conf["RETRIES"] and conf["SQS"] and not conf["BROKER_CLASS"]:
        yield no_effect(
            f"{where}['retries']", "Amazon SQS does not keep how often a task has failed"
        )


def check_cached(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of a cache for results that other processes can not read."""
    cache = settings.CACHES.get(conf["CACHE"])
    backend = cache.get("BACKEND") if isinstance(cache, Mapping) else None
    if conf["CACHED"] and backend in UNSHARED_CACHE_BACKENDS:
        yield Warning(
            f"{where}['cached'] keeps results in the cache '{conf['CACHE']}', a "
            f"{backend.rpartition('.')[2]}: other processes can not read them there.",
            hint="Name another cache in Q_CLUSTER['cache'].",
            id="django_q.W004",
        )


def check_sqlite(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of a SQLite broker without the options by which processes wait for each other."""
    database = settings.DATABASES.get(conf["ORM"]) if conf["ORM"] else None
    if not isinstance(database, Mapping) or "sqlite3" not in str(database.get("ENGINE")):
        return
    options = database.get("OPTIONS") or {}
    wanted = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
    if missing := {key: value for key, value in wanted.items() if key not in options}:
        yield Warning(
            f"{where}['orm'] makes the SQLite database '{conf['ORM']}' the broker, whose OPTIONS "
            f"lack {' and '.join(missing)}: processes that write at once would fail as locked.",
            hint=f"Add {missing} to the OPTIONS of the database.",
            id="django_q.W005",
        )


def check_overridden(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of options that have no effect because of others."""
    order = ("BROKER_CLASS", "SQS", "ORM", "DJANGO_REDIS", "REDIS")
    brokers = [name for name in order if conf[name]]
    for name in brokers[1:]:
        reason = f"'{brokers[0].lower()}' is set as well and takes precedence"
        yield no_effect(f"{where}['{name.lower()}']", reason)
    if conf["SAVE_LIMIT_PER"] and conf["SAVE_LIMIT"] < 1:
        yield no_effect(f"{where}['save_limit_per']", f"'save_limit' is {conf['SAVE_LIMIT']}")


def check_outbox(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of an outbox that is needless, as the queue is rows of the same database."""
    is_queue_elsewhere = conf["SQS"] or conf["BROKER_CLASS"]
    if conf["OUTBOX"] and conf["OUTBOX"] == conf["ORM"] and not is_queue_elsewhere:
        yield no_effect(f"{where}['outbox']", "the queue itself is in that database")


def check_packages(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of options that need a package which is not installed."""
    lacking = {
        "CPU_AFFINITY": not optional_packages.psutil and "psutil",
        "MAX_RSS": not (optional_packages.resource or optional_packages.psutil) and "psutil",
        # Searched for and not imported: that would cost every cluster 10 MB of memory.
        "SQS": not find_spec("boto3") and "boto3",
    }
    for name, package in lacking.items():
        if conf[name] and package:
            text = f"{where}['{name.lower()}'] needs the package {package}, which is not installed."
            yield Warning(text, hint=f"pip install {package}", id="django_q.W007")


def check_names(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Check the names that become parts of keys, before a colon, and of log lines."""
    for key, name in (("name", "PREFIX"), ("cluster_name", "CLUSTER_NAME")):
        if name in given:
            yield from check_name(f"{where}['{key}']", str(given[name]))


def check_name(option: str, name: str) -> Messages:
    """Warn of characters in a name that have a meaning in keys or log lines."""
    if ":" in name or not name.isprintable():
        yield Warning(
            f"{option} is {name!r}: with a colon its keys can be those of another name, and a "
            "character that can not be printed spoils the log.",
            hint="Use letters, digits, '-', '_' and '.'.",
            id="django_q.W009",
        )


COMBINATION_CHECKS = (
    check_names,
    check_retry,
    check_failures,
    check_retries,
    check_cached,
    check_sqlite,
    check_overridden,
    check_outbox,
    check_packages,
    check_alert_sources,
)
