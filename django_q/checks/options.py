"""Checks of each option by itself: its name, its type, its range, and what it refers to."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from django_q import recurrence
from django_q.brokers import REMOVED_BROKER_SERVICES
from django_q.checks.alert_rules import check_alerts
from django_q.checks.listed_names import check_context, check_functions, check_names
from django_q.checks.messages import Messages, no_effect, not_found
from django_q.checks.redaction import is_path, quote_or_redact, setting_location
from django_q.conf import RENAMED_KEYS, Settings
from django_q.foreign_code.error_reporting import (
    ENTRY_POINT_GROUP,
    ReporterNotFound,
    find_entry_point,
)
from django_q.scheduling.declared.release_order import InvalidRelease, release_number
from django_q.servers.connections import connect_redis
from django_q.signing import SERIALIZERS
from django_q.wire.option_types import (
    DUPLICATE_CHOICES,
    MAX_BACKOFF,
    MAX_PRIORITY,
    MAX_SECONDS,
    MIN_PRIORITY,
)

#: Types by attribute of Conf.
OPTION_TYPES = get_type_hints(Settings)
#: Names of the options in ``Q_CLUSTER`` by attribute of Conf.
OPTION_KEYS = {name: name.lower() for name in OPTION_TYPES} | {"ALT_CLUSTERS": "ALT_CLUSTERS"}
OPTION_KEYS |= {name: key for key, name in RENAMED_KEYS.items()}

#: Options of the predecessors that have no meaning here, and what to do about each.
REMOVED_BROKER_OPTIONS = {
    **REMOVED_BROKER_SERVICES,
    "mongo_db": REMOVED_BROKER_SERVICES["mongo"],
    "disque_auth": REMOVED_BROKER_SERVICES["disque_nodes"],
    "disque_fastack": REMOVED_BROKER_SERVICES["disque_nodes"],
}
IGNORED_OPTIONS = {
    "has_replica": "The scheduler asks your database routers which database to write to."
}

#: Ranges of numbers: the least, and the greatest that makes sense.
MIN_POSITIVE = 1e-9
OPTION_RANGES = {
    "WORKERS": (1, None),
    "POLL": (MIN_POSITIVE, None),
    "SAVE_LIMIT": (-1, None),
    "GUARD_CYCLE": (MIN_POSITIVE, 60),
    "QUEUE_LIMIT": (0, None),
    "MAX_PACKAGE_SIZE": (1, None),
    "RECYCLE": (1, None),
    "MAX_RSS": (1, None),
    "TIMEOUT": (MIN_POSITIVE, None),
    "RETRY": (MIN_POSITIVE, None),
    "MAX_ATTEMPTS": (0, None),
    "RETRIES": (0, None),
    "RETRY_DELAY": (0, MAX_SECONDS),
    "RETRY_BACKOFF": (1, MAX_BACKOFF),
    "RETRY_MAX_DELAY": (MIN_POSITIVE, MAX_SECONDS),
    "RETRY_JITTER": (0, 1),
    "SOFT_TIMEOUT": (MIN_POSITIVE, MAX_SECONDS),
    "PRIORITY": (MIN_PRIORITY, MAX_PRIORITY),
    "EXPIRES": (MIN_POSITIVE, MAX_SECONDS),
    "IDEMPOTENCY_FOR": (MIN_POSITIVE, MAX_SECONDS),
    "KEEP_LOGS": (0, 16 * 1024 * 1024),
    "KEEP_LOGS_FOR": (MIN_POSITIVE, MAX_SECONDS),
    "BULK": (1, None),
    "CPU_AFFINITY": (0, None),
    "CACHED": (0, None),
    "STOP_TIMEOUT": (0, None),
    "METRICS_PORT": (1, 65535),
}
OPTION_CHOICES: dict[str, tuple] = {
    "SAVE_LIMIT_PER": ("group", "name", "func", None),
    "LOG_LEVEL": ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"),
    "SERIALIZER": tuple(SERIALIZERS),
    "ON_DUPLICATE": DUPLICATE_CHOICES,
    "CATCH_UP": (
        recurrence.CATCH_UP_ALL,
        recurrence.CATCH_UP_LATEST,
        recurrence.CATCH_UP_NONE,
        True,
        False,
    ),
    "START_METHOD": (*multiprocessing.get_all_start_methods(), None),
}
REDIS_HINT = (
    "Set a URL as 'redis://host:6379/0', a dictionary with the arguments of redis.Redis, the "
    "sentinels of Redis Sentinel, or 'cluster' with the nodes of Redis Cluster."
)
#: The path of a Redis URL: a number, or nothing.
REDIS_DATABASE = re.compile(r"/?\d*/?")
#: Python's error text for an argument that a function does not take.
UNEXPECTED_ARGUMENT_PATTERN = re.compile(r"unexpected keyword argument '(\w+)'")
#: Options whose values may contain passwords, and are not shown.
SECRET_OPTIONS = (*("REDIS", "SQS", "ERROR_REPORTER", "ALERTS", "ALT_CLUSTERS", "METRICS_TOKEN"),)


def unknown_option(key: Any, where: str, options: Mapping) -> CheckMessage:
    """Make the message for an unknown option, with the nearest name as a hint."""
    option = setting_location(where, key)
    if service := REMOVED_BROKER_OPTIONS.get(key) if isinstance(key, str) else None:
        return removed_broker(option, service, options)
    if isinstance(key, str) and key in IGNORED_OPTIONS:
        return no_effect(option, "it has no meaning here", IGNORED_OPTIONS[key])
    near = get_close_matches(str(key).lower(), OPTION_KEYS.values(), n=1)
    hint = f"Did you mean '{near[0]}'?" if near else "Options are listed in the documentation."
    return Warning(f"Unknown option {option}.", hint=hint, id="django_q.W001")


def removed_broker(option: str, service: str, options: Mapping) -> CheckMessage:
    """Make the message for a broker that does not exist here: a warning if another one is set."""
    if options.get("broker_class") or options.get("sqs") or options.get("orm"):
        return no_effect(option, f"there is no broker for {service}", "Leave it out.")
    return Error(
        f"{option}: there is no broker for {service}.",
        hint="Set 'redis', 'orm' or 'sqs' in its place, or 'broker_class' to a broker of your own.",
        id="django_q.E006",
    )


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value has the type of an annotation."""
    if get_origin(hint) in (Union, UnionType):
        return any(has_type(value, one) for one in get_args(hint))
    if hint is bool:
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, (str, Promise))
    return isinstance(value, Mapping if hint is dict else hint)


def examine_value(name: str, value: Any, where: str) -> Messages:
    """Check the value of one option, which has the right type."""
    option = f"{where}['{OPTION_KEYS[name]}']"
    low, high = OPTION_RANGES.get(name, (None, None))
    if value is not None and not isinstance(value, bool) and low is not None:
        if not low <= value <= (high or value):
            yield out_of_range(option, value, low, high)
    elif name in OPTION_CHOICES and value not in OPTION_CHOICES[name]:
        names = ", ".join(repr(choice) for choice in OPTION_CHOICES[name])
        got = quote_or_redact(value, OPTION_CHOICES[name])
        yield Error(f"{option} must be one of {names}; got {got}.", id="django_q.E004")
    elif name in OPTION_CHECKS and value:
        yield from OPTION_CHECKS[name](option, str(value) if isinstance(value, Promise) else value)


def out_of_range(option: str, value: Any, low: float, high: float | None) -> CheckMessage:
    """Make the error for a number out of range."""
    least = "above 0" if low == MIN_POSITIVE else f"{low} or more"
    most = f", and {high} at most" if high else ""
    return Error(f"{option} must be {least}{most}; got {value!r}.", id="django_q.E003")


def wrong_type(name: str, value: Any, where: str) -> CheckMessage:
    """Make the error for a value of the wrong type."""
    expected = " or ".join(
        "None" if one is NoneType else one.__name__
        for one in get_args(OPTION_TYPES[name]) or (OPTION_TYPES[name],)
    )
    simple = isinstance(value, (str, int, float, NoneType)) and name not in SECRET_OPTIONS
    got = quote_or_redact(value) if simple else f"a {type(value).__name__}"
    text = f"{where}['{OPTION_KEYS[name]}'] must be of type {expected}; got {got}."
    return Error(text, id="django_q.E002")


def check_database(option: str, alias: str) -> Messages:
    """Check that a database is defined."""
    if alias not in settings.DATABASES:
        yield not_found(option, alias, "database", settings.DATABASES)


def check_cache(option: str, alias: str) -> Messages:
    """Check that a cache is defined."""
    if alias not in settings.CACHES:
        yield not_found(option, alias, "cache", settings.CACHES)


def check_broker_class(option: str, path: str) -> Messages:
    """Check that a broker can be imported."""
    try:
        import_string(path)
    except Exception as error:  # the module may raise anything when it is imported
        shown = repr(path) if is_path(path) else "a value that is not a dotted path"
        # The text of other errors may come from a driver, and contain the address of a server.
        why = (
            repr(error)
            if isinstance(error, ImportError) and is_path(path)
            else type(error).__name__
        )
        yield Error(f"{option}: {shown} can not be imported: {why}.", id="django_q.E005")


def check_redis(option: str, value: str | Mapping[str, Any]) -> Messages:
    """Check that the option describes a Redis server, or the sentinels of a deployment."""
    try:
        connect_redis(value)
    except ImproperlyConfigured as error:
        yield Error(str(error).replace("Q_CLUSTER['redis']", option, 1), id="django_q.E007")
    except TypeError as error:  # the text may name an argument
        name = UNEXPECTED_ARGUMENT_PATTERN.search(str(error))
        what = f"there is no argument {quote_or_redact(name[1])}" if name else "it can not be read"
        yield Error(f"{option}: {what}.", hint=REDIS_HINT, id="django_q.E007")
    except Exception:  # raised by the client; the text may contain secret values
        yield Error(f"{option} can not be read.", hint=REDIS_HINT, id="django_q.E007")
    else:
        yield from check_redis_database(option, value)


def check_django_redis(option: str, alias: str) -> Messages:
    """Check that a cache is defined, and is one of django_redis."""
    if alias not in settings.CACHES:
        yield from check_cache(option, alias)
        return
    try:
        is_one = hasattr(caches[alias], "client")
    except Exception as error:  # its module may raise anything when it is imported
        text = f"{option}: the cache '{alias}' can not be made: {type(error).__name__}."
        yield Error(text, id="django_q.E005")
        return
    if not is_one:
        text = f"{option} must name a cache of django_redis; '{alias}' is a"
        yield Error(f"{text} {type(caches[alias]).__name__}.", id="django_q.E005")


def check_redis_database(option: str, value: str | Mapping[str, Any]) -> Messages:
    """Warn of a URL that names its database by something else than a number."""
    url = value if isinstance(value, str) else value.get("url")
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts and parts.scheme in ("redis", "rediss") and not REDIS_DATABASE.fullmatch(parts.path):
        text = f"{option}: the path of the URL must be the number of a database, as in '/0'."
        hint = "Anything else is ignored, and database 0 is used."
        yield Warning(text, hint=hint, id="django_q.W012")


def check_sqs(option: str, options: Mapping[str, Any]) -> Messages:
    """Check the wait time, which Amazon SQS limits to 20 seconds."""
    key = "receive_message_wait_time_seconds"
    seconds = options.get(key)
    if key in options and (not has_type(seconds, int) or not 0 <= seconds <= 20):
        text = f"{option}['{key}'] must be a number from 0 to 20; got {quote_or_redact(seconds)}."
        yield Error(text, id="django_q.E003")


def check_reporters(option: str, reporters: Mapping[str, Any]) -> Messages:
    """Check that each reporter is provided by a package, and has a dictionary of arguments."""
    for name, arguments in reporters.items():
        where = f"{option}[{name!r}]"
        if not isinstance(arguments, Mapping):
            text = f"{where} must be a dictionary of arguments; got a {type(arguments).__name__}."
            yield Error(text, id="django_q.E002")
        try:
            module = find_entry_point(str(name)).module.partition(".")[0]
        except ReporterNotFound:
            yield not_found(
                where, str(name), "error reporter", entry_points(group=ENTRY_POINT_GROUP).names
            )
        else:
            if find_spec(module) is None:
                package = module.replace("_", "-")
                text = f"{where} needs the package {package}, which is not installed."
                yield Warning(text, hint=f"pip install {package}", id="django_q.W007")


def check_time_zone(option: str, name: str) -> Messages:
    """Check that a time zone is known."""
    try:
        recurrence.time_zone(name)
    except recurrence.RecurrenceError:
        yield not_found(option, name, "time zone")


def check_release(option: str, release: str | int) -> Messages:
    """Check that a release can be compared with others."""
    try:
        release_number(release)
    except InvalidRelease as error:
        yield Error(str(error).replace("Q_CLUSTER['release']", option, 1), id="django_q.E004")


#: Further checks by option, of what its value names or contains.
OPTION_CHECKS: dict[str, Callable[[str, Any], Messages]] = {
    "FUNCTIONS": check_functions,
    "RELEASE": check_release,
    "HIDE": check_names,
    "ORM": check_database,
    "OUTBOX": check_database,
    "CONTEXT": check_context,
    "CACHE": check_cache,
    "DJANGO_REDIS": check_django_redis,
    "BROKER_CLASS": check_broker_class,
    "REDIS": check_redis,
    "SQS": check_sqs,
    "TIME_ZONE": check_time_zone,
    "ERROR_REPORTER": check_reporters,
    "ALERTS": check_alerts,
}
